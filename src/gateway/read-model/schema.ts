/**
 * The tables of the read model. They can be made again from the log at any time, so there is no migration: another
 * version, another broker or anything that is not right makes them anew.
 *
 * Rows hold what never changes as JSON (`made`), what a filter or an order asks for as columns with an index each.
 */

import type { DatabaseSync } from 'node:sqlite'

/** Raised with every change of the tables, or of what is written into them. */
export const SCHEMA_VERSION = 1

const TABLES = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE runs (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  rev INTEGER NOT NULL,
  flow TEXT NOT NULL,
  name TEXT NOT NULL,
  deployment TEXT,
  parent TEXT,
  root TEXT,
  queue TEXT NOT NULL,
  worker TEXT,
  state_type TEXT NOT NULL,
  state_name TEXT NOT NULL,
  expected_start INTEGER NOT NULL,
  made TEXT NOT NULL,
  parameters TEXT,
  state TEXT NOT NULL,
  context TEXT NOT NULL,
  tasks TEXT NOT NULL,
  progress TEXT
);
CREATE UNIQUE INDEX runs_id ON runs (id);
CREATE INDEX runs_flow ON runs (flow, id);
CREATE INDEX runs_flow_state ON runs (flow, state_type);
CREATE INDEX runs_state ON runs (state_type, id);
CREATE INDEX runs_state_name ON runs (state_name, id);
CREATE INDEX runs_deployment ON runs (deployment, id) WHERE deployment IS NOT NULL;
CREATE INDEX runs_parent ON runs (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX runs_root ON runs (root, id) WHERE root IS NOT NULL;
CREATE INDEX runs_queue ON runs (queue, id);
CREATE INDEX runs_worker ON runs (worker, id) WHERE worker IS NOT NULL;
CREATE INDEX runs_start ON runs (expected_start, id);
CREATE INDEX runs_name ON runs (name, id);
CREATE VIRTUAL TABLE run_names USING fts5 (name, content = '', contentless_delete = 1, tokenize = 'trigram');

CREATE TABLE run_tags (tag TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY (tag, run)) WITHOUT ROWID;
CREATE INDEX run_tags_run ON run_tags (run);

CREATE TABLE waits (
  run INTEGER NOT NULL, id TEXT NOT NULL, signal TEXT, input TEXT, PRIMARY KEY (run, id)
) WITHOUT ROWID;

CREATE TABLE tasks (
  no INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  key TEXT NOT NULL,
  task TEXT NOT NULL,
  name TEXT NOT NULL,
  state_type TEXT NOT NULL,
  state_name TEXT NOT NULL,
  created INTEGER NOT NULL,
  superseded INTEGER NOT NULL,
  start_time INTEGER,
  end_time INTEGER,
  running_since INTEGER,
  total_ms INTEGER NOT NULL,
  run_count INTEGER NOT NULL,
  made TEXT NOT NULL,
  state TEXT NOT NULL,
  progress TEXT
);
CREATE UNIQUE INDEX tasks_key ON tasks (run, key);
CREATE INDEX tasks_task ON tasks (task, no);
CREATE INDEX tasks_state ON tasks (state_type, no);
CREATE INDEX tasks_run_state ON tasks (run, state_type, state_name);
CREATE INDEX tasks_created ON tasks (created);

CREATE TABLE task_tags (tag TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY (tag, task)) WITHOUT ROWID;

CREATE TABLE events (
  no INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  task TEXT,
  pos INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  data TEXT NOT NULL,
  sender TEXT
);
CREATE INDEX events_run ON events (run, no);
CREATE INDEX events_task ON events (run, task, no) WHERE task IS NOT NULL;
CREATE INDEX events_event ON events (event, no);
CREATE INDEX events_at ON events (at);

CREATE TABLE lines (
  no INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  task TEXT,
  at INTEGER NOT NULL,
  level INTEGER NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX lines_run ON lines (run, pos);
CREATE INDEX lines_at ON lines (at);
CREATE INDEX lines_warned ON lines (no) WHERE level >= 3;
CREATE INDEX lines_failed ON lines (no) WHERE level >= 4;
CREATE VIRTUAL TABLE line_words USING fts5 (message, content = 'lines', content_rowid = 'no');

CREATE TABLE artifacts (
  no INTEGER PRIMARY KEY,
  run INTEGER NOT NULL,
  id TEXT NOT NULL,
  key TEXT,
  kind TEXT NOT NULL,
  view TEXT NOT NULL
);
CREATE INDEX artifacts_run ON artifacts (run, no);
CREATE INDEX artifacts_key ON artifacts (key, no) WHERE key IS NOT NULL;
CREATE INDEX artifacts_kind ON artifacts (kind, no);
`

export function createTables(db: DatabaseSync): void {
  db.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`)
}
