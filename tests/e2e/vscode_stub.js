// As much of VS Code as the extension uses: it opens a document, types, and asks for inline completions.
'use strict';

const Module = require('node:module');

const [extension, sned, project] = process.argv.slice(2);
const listeners = {};
let provider;
const commands = new Map();
const shown = [];
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
    showInformationMessage: async (message) => void shown.push(message),
  },
  workspace: {
    workspaceFolders: [{ uri: { toString: () => project }, name: 'project' }],
    textDocuments: [],
    getConfiguration: () => ({ get: () => sned, enabled: true, automatic: true, model: null, maxTokens: 128 }),
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
  console.log(JSON.stringify({ items, shown, status: status.text, tooltip: status.tooltip }));
  for (const each of context.subscriptions) await each.dispose();
}

main();
