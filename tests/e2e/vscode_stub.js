// As much of VS Code as the extension uses: it opens a document, types, asks for inline completions and has the
// selection explained and edited.
'use strict';

const Module = require('node:module');

const [extension, sned, project] = process.argv.slice(2);
const listeners = {};
let provider;
const commands = new Map();
const shown = [];
const edits = [];
const triggered = [];
const inputs = [];
let answers;
const on = (name) => (listener) => {
  listeners[name] = listener;
  return { dispose() {} };
};

class Range {
  constructor(startLine, startCharacter, endLine, endCharacter) {
    this.start = { line: startLine, character: startCharacter };
    this.end = { line: endLine, character: endCharacter };
  }
}

const status = { show() {}, dispose() {} };
const vscode = {
  Range,
  EventEmitter: class {
    event() {}
    fire() {}
  },
  Uri: { parse: (text) => ({ toString: () => text }) },
  ViewColumn: { Beside: -2 },
  WorkspaceEdit: class {
    replace(uri, where, text, annotation) {
      edits.push({ uri: uri.toString(), where, text, annotation });
    }
  },
  InlineCompletionItem: class {
    constructor(insertText, range) {
      Object.assign(this, { insertText, range });
    }
  },
  InlineCompletionTriggerKind: { Invoke: 0, Automatic: 1 },
  StatusBarAlignment: { Right: 2 },
  ProgressLocation: { Notification: 15 },
  window: {
    createOutputChannel: () => ({ appendLine() {}, dispose() {} }),
    createStatusBarItem: () => status,
    showErrorMessage: (message) => shown.push(message),
    showWarningMessage: (message) => shown.push(message),
    showInputBox: async () => inputs.shift(),
    showTextDocument: async () => undefined,
    withProgress: (_, work) => work({ report() {} }, { onCancellationRequested() {} }),
    showInformationMessage: async (message) => void shown.push(message),
  },
  workspace: {
    workspaceFolders: [{ uri: { toString: () => project }, name: 'project' }],
    textDocuments: [],
    getConfiguration: () => ({
      get: () => sned, enabled: true, automatic: true, model: null, chatModel: null, maxTokens: 128,
    }),
    applyEdit: async () => true,
    openTextDocument: async (uri) => ({ uri }),
    registerTextDocumentContentProvider(_, registered) {
      answers = registered;
      return { dispose() {} };
    },
    onDidOpenTextDocument: on('open'),
    onDidChangeTextDocument: on('change'),
    onDidCloseTextDocument: on('close'),
    onDidChangeConfiguration: on('configuration'),
  },
  languages: {
    registerInlineCompletionItemProvider(_, registered) {
      provider = registered;
      return { dispose() {} };
    },
  },
  commands: {
    executeCommand: async (name) => void triggered.push(name),
    registerCommand(name, command) {
      commands.set(name, command);
      return { dispose() {} };
    },
  },
};
const load = Module._load;
Module._load = (name, ...rest) => (name === 'vscode' ? vscode : load(name, ...rest));

async function main() {
  const context = { subscriptions: [] };
  await require(extension).activate(context);
  const document = {
    uri: { toString: () => `${project}/main.py` },
    languageId: 'python',
    version: 1,
    getText: () => 'def add(a, b):\n    return',
  };
  listeners.open(document);
  document.version = 2;
  const change = { range: new Range(1, 10, 1, 10), text: ' ' };
  listeners.change({ document, contentChanges: [change] });
  const items = await provider.provideInlineCompletionItems(
    document, { line: 1, character: 11 }, { triggerKind: 0 }, { onCancellationRequested() {} },
  );
  await commands.get('sned.execute')(...items[0].command.arguments);
  const { text: statusText } = status;

  const code = 'def add(a, b):\n    return a + b\n';
  const other = {
    uri: { toString: () => `${project}/other.py` }, languageId: 'python', version: 1, getText: () => code,
  };
  listeners.open(other);
  vscode.workspace.textDocuments.push(other);
  const selection = { start: { line: 0, character: 0 }, end: { line: 2, character: 0 } };
  vscode.window.activeTextEditor = { document: other, selection };
  const explained = await commands.get('sned.explain')();
  const page = answers.provideTextDocumentContent(vscode.Uri.parse('sned-answer:answer-1.md'));
  inputs.push('Answer yes or no: is this Python?', 'Rename add to plus');
  const answered = await commands.get('sned.chat')();
  const edited = await commands.get('sned.edit')();

  const empty = {
    uri: { toString: () => `${project}/fib.py` }, languageId: 'python', version: 1, getText: () => 'def fib(n):\n',
  };
  listeners.open(empty);
  vscode.window.activeTextEditor = { document: empty, selection: { active: { line: 1, character: 0 } } };
  await commands.get('sned.next')();
  const found = { items, shown, status: statusText, explained, page, answered, edited, edits, triggered };
  console.log(JSON.stringify(found));
  for (const each of context.subscriptions) await each.dispose();
}

main();
