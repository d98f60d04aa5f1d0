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
  const { enabled, automatic, model, maxTokens } = vscode.workspace.getConfiguration('sned');
  return { enabled, automatic, model, maxTokens, offerModels: 'ask' };
}

async function answer(method, params) {
  if (method === 'workspace/configuration') return params.items.map(settings);
  if (method === 'window/showMessageRequest') {
    return (await vscode.window.showInformationMessage(params.message, ...params.actions)) ?? null;
  }
  return null;
}

function range(value) {
  return new vscode.Range(value.start.line, value.start.character, value.end.line, value.end.character);
}

async function activate(context) {
  const output = vscode.window.createOutputChannel('sned');
  const status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right);
  const progress = new Map();
  let stopping = false;
  status.show();

  function showProgress(token, value, connection) {
    if (value.kind === 'begin') {
      const options = {
        location: vscode.ProgressLocation.Notification, title: value.title, cancellable: value.cancellable,
      };
      vscode.window.withProgress(options, (reporter, cancellation) => new Promise((resolve) => {
        cancellation.onCancellationRequested(() => connection.notify('window/workDoneProgress/cancel', { token }));
        progress.set(token, { reporter, resolve });
      }));
    } else if (value.kind === 'report') {
      progress.get(token)?.reporter.report({ message: value.message });
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
      workspace: { configuration: true, workspaceFolders: true },
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

  context.subscriptions.push(
    output,
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
    vscode.commands.registerCommand('sned.execute', ({ command, arguments: args }) =>
      server.request('workspace/executeCommand', { command, arguments: args })),
    vscode.commands.registerCommand('sned.restart', () =>
      server.request('workspace/executeCommand', { command: 'sned.restart', arguments: [] })),
    vscode.commands.registerCommand('sned.fetch', () =>
      server.request('workspace/executeCommand', { command: 'sned.fetch', arguments: [] })),
    vscode.commands.registerCommand('sned.build', () => {
      const document = vscode.window.activeTextEditor?.document;
      if (document) server.request('workspace/executeCommand', { command: 'sned.build', arguments: [uri(document)] });
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
