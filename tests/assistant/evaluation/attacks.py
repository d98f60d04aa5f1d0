"""Hostile programs, by file name ending. `PLACE` and `PORT` are put in by the test.

They are only ever run in a sandbox that was seen to bound processes: `open_sandbox` and its probe come first.
"""

_SHELL_BOMB = ":(){ :|:& };: ; sleep 5; exit 1"

ATTACKS = {
    ".py": {
        "fork bomb": "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        "endless loop": "while True:\n    pass",
        "endless output": "while True:\n    print('x' * 1000)",
        "kill all": "import os\nos.kill(-1, 9)\nraise SystemExit(1)",
        "write": "open('PLACE', 'w').write('x')",
        "network": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2)",
    },
    ".js": {
        "fork bomb": "const {spawn} = require('child_process');\n"
        f"for (;;) spawn('/bin/sh', ['-c', {_SHELL_BOMB!r}]).on('error', () => {{}});",
        "endless loop": "for (;;) {}",
        "endless output": "const fs = require('fs');\n"
        "for (;;) { try { fs.writeSync(1, 'x'.repeat(1000)) } catch (e) {} }",
        "kill all": "process.kill(-1, 'SIGKILL');\nprocess.exit(1);",
        "write": "require('fs').writeFileSync('PLACE', 'x');",
        "network": "require('net').connect(PORT, '127.0.0.1').on('error', () => process.exit(1));",
    },
    ".cpp": {
        "fork bomb": "#include <unistd.h>\nint main() { for (;;) fork(); }",
        "endless loop": "int main() { for (volatile int i = 0;; ++i); }",
        "endless output": '#include <cstdio>\nint main() { for (;;) std::puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); }',
        "kill all": "#include <signal.h>\nint main() { kill(-1, SIGKILL); return 1; }",
        "write": '#include <cstdio>\nint main() { return std::fopen("PLACE", "w") == nullptr; }',
        "network": "#include <arpa/inet.h>\n#include <sys/socket.h>\nint main() {\n"
        "  sockaddr_in to{}; to.sin_family = AF_INET; to.sin_port = htons(PORT);\n"
        '  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);\n'
        "  return connect(socket(AF_INET, SOCK_STREAM, 0), (sockaddr*)&to, sizeof to) != 0;\n}",
    },
}

# Java's, which take long to compile: one program, told which attack and what is put in.
_JAVA = {
    "fork bomb": 'while (true) try { new ProcessBuilder("/bin/sh", "-c", '
    f'"{_SHELL_BOMB}").start(); }} catch (Exception full) {{}}',
    "endless loop": "while (true) {}",
    "endless output": 'while (true) System.out.println("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");',
    "kill all": 'System.exit(new ProcessBuilder("/bin/sh", "-c", "kill -9 -1; exit 1").start().waitFor()); break;',
    "write": 'java.nio.file.Files.writeString(java.nio.file.Path.of(words[1]), "x"); break;',
    "network": 'new java.net.Socket("127.0.0.1", Integer.parseInt(words[1])); break;',
}
JAVA_ATTACKS = (
    "class Verdict { public static void main(String[] words) throws Exception { switch (words[0]) {\n"
    + "".join(f'case "{name}": {body}\n' for name, body in _JAVA.items())
    + "} } }\n"
)
