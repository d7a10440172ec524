//! Exports: what they mean, and mistakes in them.

use baton_core::Definition;
use baton_core::asset::{Export, ExportMode, ExportTrigger, GoneRows};
use expect_test::expect;

use super::*;

const HEAD: &str = "-- /s.yml\nsources: [{name: landing, path: x}]\n-- /e.yml\n";

fn read(text: &str) -> Export {
    let project = load_good(&with_head(&format!("{HEAD}{text}")));
    let asset = project.assets.get("crm").unwrap();
    let Definition::Exposure(exposure) = &asset.definition else { panic!("an export is an exposure") };
    assert_eq!(exposure.depends_on.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["landing"]);
    exposure.export.clone().unwrap()
}

#[test]
fn what_is_left_out_follows_from_the_rest() {
    let export = read("exports: [{name: crm, from: landing, to: {connector: file, path: out/}}]\n");
    assert_eq!(
        (export.mode, export.deletes, export.on),
        (ExportMode::Replace, GoneRows::Delete, ExportTrigger::Commit)
    );
    assert!(!export.evolve && export.batch == 1_000 && export.environments.is_empty());
    let export = read(
        "exports:
  - {name: crm, from: landing, key: id, deletes: mark, on: schedule, environments: dev, on_schema_change: evolve,
     select: [id, score], rename: {score: churn}, where: score > 0, batch: 50,
     to: {connector: http, url: 'https://example.com', auth: {type: bearer, token: '${env:T}'}}}
",
    );
    assert_eq!((export.mode, export.deletes, export.on), (ExportMode::Upsert, GoneRows::Mark, ExportTrigger::Schedule));
    assert_eq!((export.name_there("score"), export.name_there("id")), ("churn", "id"));
    assert_eq!(export.options["auth"]["token"], "${env:T}");
    assert!(!export.options.contains_key("connector") && export.evolve && export.batch == 50);
}

#[test]
fn mistakes_are_named_where_they_stand() {
    check(
        &with_head(&format!(
            "{HEAD}exports:
  - {{name: a, from: landing, to: {{connector: postgrs, url: x}}}}
  - {{name: b, from: landing, to: {{path: x}}, mode: upsert}}
  - {{name: c, from: nothing, to: {{connector: file, path: x}}, mode: append, deletes: ignore, environments: [dev, dav]}}
  - {{name: d, from: landing, to: {{connector: file, path: x}}, key: [id], select: [name], rename: {{a: name, b: name}}}}
  - {{name: e, from: landing, to: here, colour: red}}
"
        )),
        expect![[r#"
            error[P0105]: `connector` of `to` of export `a` is `postgrs`
               ╭─[e.yml:2:46]
             1 │ exports:
             2 │   - {name: a, from: landing, to: {connector: postgrs, url: x}}
               ·                                              ───┬───
               ·                                                 ╰── expected file, http, mysql, postgres or s3
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
               ╰────
              help: did you mean `postgres`?

            error[P0103]: export `b` has no `key`
               ╭─[e.yml:3:12]
             2 │   - {name: a, from: landing, to: {connector: postgrs, url: x}}
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
               ·            ┬
               ·            ╰── changed rows meet those at the destination by it
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
               ╰────

            error[P0103]: `to` of export `b` has no `connector`
               ╭─[e.yml:3:34]
             2 │   - {name: a, from: landing, to: {connector: postgrs, url: x}}
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
               ·                                  ┬
               ·                                  ╰── expected file, http, mysql, postgres or s3
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
               ╰────

            error[P0202]: export `c` delivers `nothing`, which does not exist
               ╭─[e.yml:4:21]
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
               ·                     ───┬───
               ·                        ╰── no source, table or endpoint of this name
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ╰────
              detail: There are: landing.

            error[P0105]: `deletes` of export `c` means nothing with mode `append`
               ╭─[e.yml:4:76]
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
               ·                                                                            ───┬───
               ·                                                                               ╰── for mode `upsert`
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ╰────

            error[P0202]: export `c` delivers environment `dav`, which does not exist
               ╭─[e.yml:4:113]
             3 │   - {name: b, from: landing, to: {path: x}, mode: upsert}
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
               ·                                                                                                                 ─┬─
               ·                                                                                                                  ╰── no environment of this name
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ╰────
              help: did you mean `dev`?
              help: declare it under `environments:` in `baton.yml`

            error[P0105]: `key` of export `d` names `id`, which is not among `select`
               ╭─[e.yml:5:67]
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ·                                                                   ┬
               ·                                                                   ╰── a key is delivered with its row
             6 │   - {name: e, from: landing, to: here, colour: red}
               ╰────

            error[P0105]: `rename` of export `d` calls two columns `name`
               ╭─[e.yml:5:101]
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ·                                                                                                     ──┬─
               ·                                                                                                       ╰── the second
             6 │   - {name: e, from: landing, to: here, colour: red}
               ╰────

            error[P0105]: `rename` of export `d` calls two columns `name`
               ╭─[e.yml:5:110]
             4 │   - {name: c, from: nothing, to: {connector: file, path: x}, mode: append, deletes: ignore, environments: [dev, dav]}
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
               ·                                                                                                              ──┬─
               ·                                                                                                                ╰── the second
             6 │   - {name: e, from: landing, to: here, colour: red}
               ╰────

            error[P0104]: `to` of export `e` is a text, expected an object
               ╭─[e.yml:6:34]
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
             6 │   - {name: e, from: landing, to: here, colour: red}
               ·                                  ──┬─
               ·                                    ╰── expected an object
               ╰────

            error[P0102]: export `e` has unknown key `colour`
               ╭─[e.yml:6:40]
             5 │   - {name: d, from: landing, to: {connector: file, path: x}, key: [id], select: [name], rename: {a: name, b: name}}
             6 │   - {name: e, from: landing, to: here, colour: red}
               ·                                        ──────
               ╰────
              detail: Known keys: name, owner, description, tags, from, to, mode, key, select, rename, where, deletes, on, environments, on_schema_change, batch.

            11 errors, 0 warnings
        "#]],
    );
}

#[test]
fn a_latency_makes_a_schedule_of_its_own() {
    let sources = |more: &str| {
        let orders = "{name: orders, connector: nats, url: 'nats://x', latency: 5s, owner: shop@x.example, options: {stream: A}}";
        load_texts(files(&with_head(&format!("-- /s.yml\nsources: [{orders}{more}]\n"))))
    };
    let (project, diagnostics) = sources("");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let [schedule] = project.schedules.as_slice() else { panic!("{:?}", project.schedules) };
    assert_eq!((schedule.name.as_str(), schedule.triggers.every), ("orders_stream", Some(5)));
    assert_eq!(
        (schedule.select.as_slice(), schedule.owner.as_deref()),
        (&["orders".to_owned()][..], Some("shop@x.example"))
    );
    let declared = "]\nschedules: [{name: orders_stream, every: 1m, select: orders+}";
    let (project, _) = sources(declared);
    assert_eq!(project.schedules.iter().map(|schedule| schedule.triggers.every).collect::<Vec<_>>(), [Some(60)]);
    check(
        &with_head(
            "-- /s.yml\nsources: [{name: a, path: x, latency: 5s}, {name: b, connector: postgres, url: x, table: t, latency: 5s}]\n",
        ),
        expect![[r#"
            error[P0105]: `latency` of source `a` means nothing for connector `file`
               ╭─[s.yml:1:30]
             1 │ sources: [{name: a, path: x, latency: 5s}, {name: b, connector: postgres, url: x, table: t, latency: 5s}]
               ·                              ───┬───
               ·                                 ╰── for sources that are asked for rows
               ╰────

            error[P0105]: `latency` of source `b` means nothing with mode `full`
               ╭─[s.yml:1:93]
             1 │ sources: [{name: a, path: x, latency: 5s}, {name: b, connector: postgres, url: x, table: t, latency: 5s}]
               ·                                                                                             ───┬───
               ·                                                                                                ╰── for streams and mode `cdc`; a schedule says how often others are asked
               ╰────

            2 errors, 0 warnings
        "#]],
    );
}
