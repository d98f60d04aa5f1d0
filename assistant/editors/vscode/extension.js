// A client of `sned lsp` for VS Code that needs no further packages.
'use strict';

const { spawn } = require('node:child_process');
const vscode = require('vscode');

const LANGUAGES = [
  'python', 'java', 'c', 'cpp', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact',
];

/** JSON-RPC with a server process. `answer(method, params)` gives what the server asks of the client. */
class Connection {
  constructor(command, answer, hear, ended) {
    this.pending = new Map();
    this.received = Buffer.alloc(0);
    this.lastId = 0;
    this.answer = answer;
    this.hear = hear;
    this.process = spawn(command, ['lsp'], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.process.stdout.on('data', (data) => this.receive(data));
    this.process.stdin.on('error', () => {}); // the exit that follows tells more
    this.process.on('error', (error) => this.end(`${command} cannot be started: ${error.message}`, ended));
    this.process.on('exit', (code) => this.end(`${command} ended with status ${code}`, ended));
  }

  send(message) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
    this.process.stdin.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
  }

  notify(method, params) {
    this.send({ method, params });
  }

  request(method, params, token) {
    const id = ++this.lastId;
    this.send({ id, method, params });
    token?.onCancellationRequested(() => this.notify('$/cancelRequest', { id }));
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }));
  }

  receive(data) {
    this.received = Buffer.concat([this.received, data]);
    for (;;) {
      const end = this.received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.received.subarray(0, end).toString())[1]);
      if (this.received.length < end + 4 + length) return;
      const body = this.received.subarray(end + 4, end + 4 + length).toString();
      this.received = this.received.subarray(end + 4 + length);
      this.handle(JSON.parse(body));
    }
  }

  async handle(message) {
    if (message.method === undefined) {
      const waiting = this.pending.get(message.id);
      this.pending.delete(message.id);
      if (message.error) waiting?.reject(new Error(message.error.message));
      else waiting?.resolve(message.result);
    } else if (message.id === undefined) {
      this.hear(message.method, message.params);
    } else {
      this.send({ id: message.id, result: await this.answer(message.method, message.params) });
    }
  }

  end(reason, ended) {
    for (const waiting of this.pending.values()) waiting.reject(new Error(reason));
    this.pending.clear();
    ended(reason);
  }
}

/** The settings the server knows; the program's own place is not one of them. */
function settings() {
  const { enabled, automatic, model, chatModel, maxTokens } = vscode.workspace.getConfiguration('sned');
  return { enabled, automatic, model, chatModel, maxTokens, offerModels: 'ask' };
}

async function answer(method, params) {
  if (method === 'workspace/configuration') return params.items.map(settings);
  if (method === 'window/showMessageRequest') {
    return (await vscode.window.showInformationMessage(params.message, ...params.actions)) ?? null;
  }
  if (method === 'workspace/applyEdit') return applyEdit(params.edit);
  return null;
}

/** Shows an edit in VS Code's own preview, where it can be refused, if its document is still what it was made for. */
async function applyEdit({ documentChanges, changeAnnotations }) {
  const changes = new vscode.WorkspaceEdit();
  for (const { textDocument, edits } of documentChanges) {
    const document = vscode.workspace.textDocuments.find((each) => each.uri.toString() === textDocument.uri);
    if (document?.version !== textDocument.version) {
      return { applied: false, failureReason: `${textDocument.uri} has changed` };
    }
    for (const edit of edits) {
      const annotation = changeAnnotations?.[edit.annotationId];
      changes.replace(document.uri, range(edit.range), edit.newText, annotation);
    }
  }
  return { applied: await vscode.workspace.applyEdit(changes) };
}

/** Answers that are being written, as documents beside the code. */
class Answers {
  constructor() {
    this.texts = new Map();
    this.changed = new vscode.EventEmitter();
    this.onDidChange = this.changed.event;
  }

  provideTextDocumentContent(place) {
    return this.texts.get(place.toString()) ?? '';
  }

  place(token) {
    return vscode.Uri.parse(`sned-answer:${token}.md`);
  }

  async open(token) {
    const document = await vscode.workspace.openTextDocument(this.place(token));
    await vscode.window.showTextDocument(document, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
  }

  add({ token, text }) {
    const place = this.place(token);
    this.texts.set(place.toString(), this.provideTextDocumentContent(place) + text);
    this.changed.fire(place);
  }

  closed(document) {
    this.texts.delete(document.uri.toString());
  }
}

function range(value) {
  return new vscode.Range(value.start.line, value.start.character, value.end.line, value.end.character);
}

async function activate(context) {
  const output = vscode.window.createOutputChannel('sned');
  const status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right);
  const progress = new Map();
  const answers = new Answers();
  let asked = 0;
  let stopping = false;
  status.show();

  function showProgress(token, value, connection) {
    if (value.kind === 'begin') {
      const options = {
        location: vscode.ProgressLocation.Notification, title: value.title, cancellable: value.cancellable,
      };
      vscode.window.withProgress(options, (reporter, cancellation) => new Promise((resolve) => {
        cancellation.onCancellationRequested(() => connection.notify('window/workDoneProgress/cancel', { token }));
        progress.set(token, { reporter, resolve, percentage: 0 });
      }));
    } else if (value.kind === 'report') {
      const shown = progress.get(token);
      if (!shown) return;
      const increment = value.percentage === undefined ? undefined : value.percentage - shown.percentage;
      shown.percentage = value.percentage ?? shown.percentage;
      shown.reporter.report({ message: value.message, increment });
    } else {
      progress.get(token)?.resolve();
      progress.delete(token);
    }
  }

  function hear(method, params) {
    if (method === 'sned/status') {
      status.text = `sned: ${params.state}`;
      status.tooltip = params.message;
    } else if (method === 'window/logMessage') output.appendLine(params.message);
    else if (method === 'window/showMessage') vscode.window.showWarningMessage(params.message);
    else if (method === 'sned/answer') answers.add(params);
    else if (method === '$/progress') showProgress(params.token, params.value, server);
  }

  const command = vscode.workspace.getConfiguration('sned').get('command') || 'sned';
  const server = new Connection(command, answer, hear, (reason) => {
    if (!stopping) vscode.window.showErrorMessage(`sned: ${reason}.`);
  });
  const uri = (document) => document.uri.toString();
  const known = (document) => LANGUAGES.includes(document.languageId);

  await server.request('initialize', {
    processId: process.pid,
    rootUri: null,
    workspaceFolders: (vscode.workspace.workspaceFolders ?? []).map((f) => ({ uri: f.uri.toString(), name: f.name })),
    capabilities: {
      general: { positionEncodings: ['utf-16'] },
      workspace: {
        configuration: true,
        workspaceFolders: true,
        applyEdit: true,
        workspaceEdit: { documentChanges: true, changeAnnotationSupport: {} },
      },
      window: { workDoneProgress: true },
      textDocument: { inlineCompletion: {}, synchronization: {} },
    },
    initializationOptions: settings(),
  });
  server.notify('initialized', {});

  function opened(document) {
    if (!known(document)) return;
    const { languageId, version } = document;
    server.notify('textDocument/didOpen', {
      textDocument: { uri: uri(document), languageId, version, text: document.getText() },
    });
  }
  vscode.workspace.textDocuments.forEach(opened);

  function execute(command, args, workDoneToken) {
    return server.request('workspace/executeCommand', { command, arguments: args, workDoneToken });
  }

  /** The document and the selection, as commands take them; undefined without an editor. */
  function selected() {
    const editor = vscode.window.activeTextEditor;
    return editor && [uri(editor.document), { start: editor.selection.start, end: editor.selection.end }];
  }

  async function ask(command, args) {
    const token = `answer-${++asked}`;
    await answers.open(token);
    return execute(command, args, token);
  }

  context.subscriptions.push(
    output,
    vscode.workspace.registerTextDocumentContentProvider('sned-answer', answers),
    status,
    vscode.workspace.onDidOpenTextDocument(opened),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (!known(document) || !contentChanges.length) return;
      server.notify('textDocument/didChange', {
        textDocument: { uri: uri(document), version: document.version },
        contentChanges: contentChanges.map((change) => ({ range: change.range, text: change.text })),
      });
    }),
    vscode.workspace.onDidCloseTextDocument((document) => {
      answers.closed(document);
      if (known(document)) server.notify('textDocument/didClose', { textDocument: { uri: uri(document) } });
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('sned')) {
        server.notify('workspace/didChangeConfiguration', { settings: { sned: settings() } });
      }
    }),
    vscode.languages.registerInlineCompletionItemProvider(LANGUAGES.map((language) => ({ language })), {
      async provideInlineCompletionItems(document, position, request, token) {
        const selected = request.selectedCompletionInfo;
        const params = {
          textDocument: { uri: uri(document) },
          position,
          context: {
            triggerKind: request.triggerKind === vscode.InlineCompletionTriggerKind.Invoke ? 1 : 2,
            selectedCompletionInfo: selected && { range: selected.range, text: selected.text },
          },
        };
        const list = await server.request('textDocument/inlineCompletion', params, token).catch(() => null);
        return (list?.items ?? []).map((item) => {
          const shown = new vscode.InlineCompletionItem(item.insertText, range(item.range));
          shown.command = { title: item.command.title, command: 'sned.execute', arguments: [item.command] };
          return shown;
        });
      },
    }),
    vscode.commands.registerCommand('sned.execute', ({ command, arguments: args }) => execute(command, args)),
    vscode.commands.registerCommand('sned.restart', () => execute('sned.restart', [])),
    vscode.commands.registerCommand('sned.fetch', () => execute('sned.fetch', [])),
    vscode.commands.registerCommand('sned.build', () => {
      const document = vscode.window.activeTextEditor?.document;
      return document && execute('sned.build', [uri(document)]);
    }),
    vscode.commands.registerCommand('sned.next', async () => {
      const editor = vscode.window.activeTextEditor;
      if (!editor || !(await execute('sned.next', [uri(editor.document), editor.selection.active]))) return;
      await vscode.commands.executeCommand('editor.action.inlineSuggest.hide');
      await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    }),
    vscode.commands.registerCommand('sned.explain', () => {
      const args = selected();
      return args && ask('sned.explain', args);
    }),
    vscode.commands.registerCommand('sned.chat', async () => {
      const args = selected();
      const question = args && (await vscode.window.showInputBox({ prompt: 'What do you want to know?' }));
      return question && ask('sned.chat', [...args, question]);
    }),
    vscode.commands.registerCommand('sned.edit', async () => {
      const args = selected();
      const instruction = args && (await vscode.window.showInputBox({ prompt: 'How is the selection to be changed?' }));
      return instruction && execute('sned.edit', [...args, instruction]);
    }),
    {
      async dispose() {
        stopping = true;
        await server.request('shutdown').catch(() => null);
        server.notify('exit');
      },
    },
  );
}

module.exports = { activate };
