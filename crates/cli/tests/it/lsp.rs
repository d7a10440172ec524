//! A session with the language server over its standard streams, as an editor holds it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use baton_testkit::project::TestProject;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::shop::{at, shop};

/// An editor: what it says and hears is written down.
struct Editor {
    server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    folder: String,
    transcript: String,
    asked: u64,
}

impl Editor {
    fn open(project: &TestProject) -> Self {
        let mut command = project.command(&at(&["lsp"]));
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (to, from) = (server.stdin.take().unwrap(), BufReader::new(server.stdout.take().unwrap()));
        let folder = format!("file://{}", project.folder().canonicalize().unwrap().display());
        let mut editor = Self { server, to, from, folder, transcript: String::new(), asked: 0 };
        editor.ask("initialize", json!({"processId": null, "rootUri": editor.folder, "capabilities": {}}));
        editor.tell("initialized", json!({}));
        editor
    }

    fn write(&mut self, mut message: Value) {
        message["jsonrpc"] = "2.0".into();
        let body = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.to.flush().unwrap();
    }

    fn note(&mut self, arrow: &str, value: &Value) {
        let text = value.to_string().replace(&self.folder, "file://[folder]");
        self.transcript.push_str(&format!("{arrow} {text}\n"));
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.note("->", &json!({"method": method, "params": params}));
        self.write(json!({"method": method, "params": params}));
    }

    /// Asks, and reads on until the answer comes.
    fn ask(&mut self, method: &str, params: Value) {
        self.asked += 1;
        self.note("->", &json!({"method": method, "params": params}));
        self.write(json!({"id": self.asked, "method": method, "params": params}));
        loop {
            let message = self.hear();
            if message.get("id").is_some() {
                return;
            }
        }
    }

    /// Reads one message.
    fn hear(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.from.read_line(&mut line).unwrap();
            match line.trim().split_once(": ") {
                Some(("Content-Length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).unwrap();
        let mut message: Value = serde_json::from_slice(&body).unwrap();
        message.as_object_mut().unwrap().remove("jsonrpc");
        self.note("<-", &message);
        message
    }

    fn uri(&self, file: &str) -> String {
        format!("{}/{file}", self.folder)
    }

    fn show(&mut self, file: &str, text: &str) {
        let uri = self.uri(file);
        let document = json!({"uri": uri, "languageId": "sql", "version": 1, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
    }

    fn change(&mut self, file: &str, text: &str) {
        let document = json!({"uri": self.uri(file), "version": 2});
        self.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": [{"text": text}]}));
    }

    fn ask_at(&mut self, method: &str, file: &str, line: u32, character: u32) {
        let document = json!({"uri": self.uri(file)});
        let position = json!({"line": line, "character": character});
        self.ask(method, json!({"textDocument": document, "position": position}));
    }

    /// Ends the session in order; the whole transcript is compared.
    fn close(mut self, expected: &Expect) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        assert!(self.server.wait().unwrap().success());
        let version = env!("CARGO_PKG_VERSION");
        expected
            .assert_eq(&self.transcript.replace(&format!("\"version\":\"{version}\""), "\"version\":\"[version]\""));
    }
}

#[test]
fn mistakes_are_told_as_they_are_typed_and_go_when_mended() {
    let project = shop();
    let mut editor = Editor::open(&project);
    let good = "select customer, count(*) as orders, sum(amount) as amount\nfrom orders\ngroup by customer\n";
    editor.show("tables/customers.sql", &good.replace("sum(amount)", "sum(amuont)"));
    editor.hear();
    editor.change("tables/customers.sql", good);
    editor.hear();
    editor.show("sources.yml", "sources:\n  - name: orders\n    conector: file\n    path: landing/*.csv\n");
    editor.hear();
    editor.close(&expect![[r#"
        -> {"method":"initialize","params":{"processId":null,"rootUri":"file://[folder]","capabilities":{}}}
        <- {"result":{"capabilities":{"textDocumentSync":1,"hoverProvider":true,"completionProvider":{"triggerCharacters":["."]},"definitionProvider":true},"serverInfo":{"name":"baton","version":"[version]"}},"id":1}
        -> {"method":"initialized","params":{}}
        -> {"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql","languageId":"sql","version":1,"text":"select customer, count(*) as orders, sum(amuont) as amount\nfrom orders\ngroup by customer\n"}}}
        <- {"params":{"uri":"file://[folder]/tables/customers.sql","diagnostics":[{"range":{"start":{"line":0,"character":41},"end":{"line":0,"character":47}},"severity":1,"code":"S0103","source":"baton","message":"table `customers`: there is no column `amuont`\nValid names here: amount, customer, order_id, ordered_at.\nhelp: did you mean `amount`?"}]},"method":"textDocument/publishDiagnostics"}
        -> {"method":"textDocument/didChange","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql","version":2},"contentChanges":[{"text":"select customer, count(*) as orders, sum(amount) as amount\nfrom orders\ngroup by customer\n"}]}}
        <- {"params":{"uri":"file://[folder]/tables/customers.sql","diagnostics":[]},"method":"textDocument/publishDiagnostics"}
        -> {"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file://[folder]/sources.yml","languageId":"sql","version":1,"text":"sources:\n  - name: orders\n    conector: file\n    path: landing/*.csv\n"}}}
        <- {"params":{"uri":"file://[folder]/sources.yml","diagnostics":[{"range":{"start":{"line":2,"character":4},"end":{"line":2,"character":12}},"severity":1,"code":"P0102","source":"baton","message":"source `orders` has unknown key `conector`\nKnown keys: name, owner, description, tags, connector, path, url, table, query, mode, cursor, lag, key, deletes, latency, options, load, time, available_at, freshness, columns, select, on_schema_change, null_values, checks.\nhelp: did you mean `connector`?"}]},"method":"textDocument/publishDiagnostics"}
        -> {"method":"shutdown","params":null}
        <- {"result":null,"id":2}
        -> {"method":"exit","params":null}
    "#]]);
}

#[test]
fn hover_definition_and_completion_know_tables_and_columns() {
    let project = shop();
    let mut editor = Editor::open(&project);
    let query = "select o.customer, sum(o.amount) as amount\nfrom orders o\ngroup by o.customer\n";
    editor.show("tables/customers.sql", query);
    editor.ask_at("textDocument/hover", "tables/customers.sql", 0, 27);
    editor.ask_at("textDocument/hover", "tables/customers.sql", 1, 7);
    editor.ask_at("textDocument/hover", "tables/customers.sql", 0, 38);
    editor.ask_at("textDocument/definition", "tables/customers.sql", 1, 7);
    editor.ask_at("textDocument/definition", "tables/customers.sql", 0, 12);
    editor.ask_at("textDocument/hover", "sources.yml", 10, 18);
    editor.ask_at("textDocument/completion", "tables/customers.sql", 0, 9);
    editor.ask_at("textDocument/completion", "sources.yml", 0, 0);
    editor.ask_at("textDocument/hover", "tables/customers.sql", 0, 2);
    editor.ask("textDocument/rename", json!({}));
    editor.close(&expect![[r#"
        -> {"method":"initialize","params":{"processId":null,"rootUri":"file://[folder]","capabilities":{}}}
        <- {"result":{"capabilities":{"textDocumentSync":1,"hoverProvider":true,"completionProvider":{"triggerCharacters":["."]},"definitionProvider":true},"serverInfo":{"name":"baton","version":"[version]"}},"id":1}
        -> {"method":"initialized","params":{}}
        -> {"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql","languageId":"sql","version":1,"text":"select o.customer, sum(o.amount) as amount\nfrom orders o\ngroup by o.customer\n"}}}
        -> {"method":"textDocument/hover","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":0,"character":27}}}
        <- {"result":{"contents":{"kind":"markdown","value":"**orders.amount**: Float64\n\nchecks: between_amount\n\nused for: `customers.amount`, `days.amount`"},"range":{"start":{"line":0,"character":25},"end":{"line":0,"character":31}}},"id":2}
        -> {"method":"textDocument/hover","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":1,"character":7}}}
        <- {"result":{"contents":{"kind":"markdown","value":"source **orders**\n\nWhat was ordered\n\nowner: shop@example.com\n\nread by: `customers`, `days`\n\n| column | type |\n|---|---|\n| order_id | Int64 |\n| customer | Utf8 |\n| amount | Float64 |\n| ordered_at | Timestamp(µs, \"UTC\") |"},"range":{"start":{"line":1,"character":5},"end":{"line":1,"character":11}}},"id":3}
        -> {"method":"textDocument/hover","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":0,"character":38}}}
        <- {"result":{"contents":{"kind":"markdown","value":"**customers.amount**: Float64\n\ncomputed from: `orders.amount`"},"range":{"start":{"line":0,"character":36},"end":{"line":0,"character":42}}},"id":4}
        -> {"method":"textDocument/definition","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":1,"character":7}}}
        <- {"result":{"uri":"file://[folder]/sources.yml","range":{"start":{"line":1,"character":10},"end":{"line":1,"character":16}}},"id":5}
        -> {"method":"textDocument/definition","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":0,"character":12}}}
        <- {"result":{"uri":"file://[folder]/sources.yml","range":{"start":{"line":10,"character":15},"end":{"line":10,"character":23}}},"id":6}
        -> {"method":"textDocument/hover","params":{"textDocument":{"uri":"file://[folder]/sources.yml"},"position":{"line":10,"character":18}}}
        <- {"result":{"contents":{"kind":"markdown","value":"**orders.customer**: Utf8\n\ntags: person\n\nchecks: not_null_customer\n\nused for: `customers.customer`"},"range":{"start":{"line":10,"character":15},"end":{"line":10,"character":23}}},"id":7}
        -> {"method":"textDocument/completion","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":0,"character":9}}}
        <- {"result":[{"label":"order_id","kind":5,"detail":"Int64, of orders"},{"label":"customer","kind":5,"detail":"Utf8, of orders"},{"label":"amount","kind":5,"detail":"Float64, of orders"},{"label":"ordered_at","kind":5,"detail":"Timestamp(µs, \"UTC\"), of orders"}],"id":8}
        -> {"method":"textDocument/completion","params":{"textDocument":{"uri":"file://[folder]/sources.yml"},"position":{"line":0,"character":0}}}
        <- {"result":[{"label":"customers","kind":9,"detail":"table"},{"label":"days","kind":9,"detail":"table"},{"label":"orders","kind":9,"detail":"source"}],"id":9}
        -> {"method":"textDocument/hover","params":{"textDocument":{"uri":"file://[folder]/tables/customers.sql"},"position":{"line":0,"character":2}}}
        <- {"result":null,"id":10}
        -> {"method":"textDocument/rename","params":{}}
        <- {"error":{"code":-32601,"message":"the method `textDocument/rename` is not known here"},"id":11}
        -> {"method":"shutdown","params":null}
        <- {"result":null,"id":12}
        -> {"method":"exit","params":null}
    "#]]);
}
