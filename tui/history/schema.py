"""The history's tables, as a list of steps: a database of version N has had the first N, and gets the others."""

_FIRST = """
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    titled INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    model TEXT,
    system TEXT,
    parameters TEXT NOT NULL DEFAULT '{}',
    leaf INTEGER REFERENCES message (id) ON DELETE SET NULL,
    created REAL NOT NULL,
    changed REAL NOT NULL
);
CREATE INDEX session_of_project ON session (project, changed);

CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    parent INTEGER REFERENCES message (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('whole', 'writing', 'stopped', 'failed')),
    details TEXT NOT NULL DEFAULT '{}',
    created REAL NOT NULL
);
CREATE INDEX message_of_session ON message (session, parent);
CREATE INDEX message_of_parent ON message (parent);

CREATE TABLE attachment (
    message INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message, position)
) WITHOUT ROWID;

CREATE VIEW session_listed AS
    SELECT id, project, title, pinned, changed,
        (SELECT count(*) FROM message WHERE message.session = session.id) AS messages, model, system, parameters
    FROM session;

CREATE VIRTUAL TABLE message_text USING fts5 (
    text, content = 'message', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER message_added AFTER INSERT ON message BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER message_removed AFTER DELETE ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO message_text (rowid, text) VALUES (new.id, new.text);
END;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
