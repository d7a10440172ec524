//! Selections over a small project: what they find, what is wrong with them, and graph operators by brute force.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{Assets, Exposure, FeatureView, Materialize, Origin, Source, Table};
use baton_core::{Asset, AssetName, Definition, Graph, Kind};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::scene::{Scene, name};
use crate::{LastRun, Plan, SelectError, Selection, SelectionContext, StepResult};

const PROJECT: &str = "
    source flights | waiting 1
    source weather
    table delays <- flights | id 1, late 1
    table delays_daily <- delays
    table storms <- weather,flights
    feature_view recent <- delays_daily,storms
    exposure board <- weather | meta 2";

const ENVIRONMENT: &str = "
    source flights
    source weather
    table delays | id 1
    table delays_daily
    feature_view recent
    exposure board
    table gone";

/// Name, file, tags, owner; `-` for none.
const DECLARED: &[(&str, &str, &str, &str)] = &[
    ("flights", "sources.yml", "raw", "data@example.com"),
    ("weather", "sources.yml", "raw", "-"),
    ("delays", "tables/delays.sql", "nightly", "ana@example.com"),
    ("delays_daily", "tables/daily/delays.sql", "nightly", "-"),
    ("storms", "tables/daily/storms.sql", "-", "-"),
    ("recent", "features.yml", "-", "ana@example.com"),
    ("board", "exposures.yml", "raw,bi", "-"),
];

struct Sample {
    graph: Graph,
    assets: Assets,
    plan: Plan,
}

impl Sample {
    fn new() -> Self {
        let scene = Scene::parse(PROJECT, ENVIRONMENT);
        let mut graph = Graph::new();
        for (name, desired) in &scene.desired.assets {
            graph.insert(name.clone(), desired.inputs.iter().cloned());
        }
        let assets = DECLARED.iter().map(|line| (name(line.0), asset(*line, scene.desired.assets[line.0].kind)));
        Self { graph, assets: assets.collect(), plan: scene.plan() }
    }

    fn context(&self) -> SelectionContext<'_> {
        SelectionContext { graph: &self.graph, assets: &self.assets, plan: Some(&self.plan), last_run: None }
    }

    /// What `select` finds without `exclude`, in a line; `!` before warnings.
    fn line(&self, select: &[&str], exclude: &[&str]) -> String {
        let selection = parse(select).and_then(|selection| selection.excluding(&owned(exclude)));
        match selection.and_then(|selection| selection.resolve(&self.context())) {
            Ok(found) => {
                let warnings = found.unmatched.iter().map(|unmatched| format!("! {}", unmatched.message()));
                found.assets.iter().map(ToString::to_string).chain(warnings).collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("error: {error}; {}", error.help()),
        }
    }

    fn table(&self, expressions: &[&str], expected: &Expect) {
        let lines = expressions.iter().map(|expression| format!("{expression:<28} {}", self.line(&[expression], &[])));
        expected.assert_eq(&lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"));
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn parse(select: &[&str]) -> Result<Selection, SelectError> {
    Selection::parse(&owned(select))
}

fn asset((own, file, tags, owner): (&str, &str, &str, &str), kind: Kind) -> Asset {
    Asset {
        name: name(own),
        owner: Some(owner.to_owned()).filter(|owner| owner != "-"),
        description: None,
        tags: tags.split(',').filter(|tag| *tag != "-").map(str::to_owned).collect(),
        checks: Vec::new(),
        origin: Origin { file: file.to_owned(), line: 1, column: 1 },
        definition: definition(kind, file),
    }
}

/// Only the kind and a table's file matter here.
fn definition(kind: Kind, file: &str) -> Definition {
    match kind {
        Kind::Source => Definition::Source(Source {
            connector: "file".to_owned(),
            path: "landing/*".to_owned(),
            load: Default::default(),
            time: None,
            available_at: Default::default(),
            freshness: None,
            columns: Vec::new(),
            select: Vec::new(),
            on_schema_change: Default::default(),
            null_values: Vec::new(),
            options: serde_json::Map::new(),
            pull: None,
        }),
        Kind::Table => Definition::Table(Table {
            sql: "select 1 as one".to_owned(),
            file: file.to_owned(),
            line_offset: 0,
            materialize: Materialize::Table,
            time: None,
            grain: Vec::new(),
            lookback: 0,
            batch: 86_400,
            columns: Vec::new(),
            keep: Default::default(),
            python: None,
            command: None,
            for_each: None,
        }),
        Kind::FeatureView => Definition::FeatureView(FeatureView {
            entity: vec!["carrier".to_owned()],
            from: name("delays_daily"),
            time: "day".to_owned(),
            ttl: 0,
            online: false,
            features: Vec::new(),
        }),
        _ => Definition::Exposure(Exposure { depends_on: Vec::new(), url: None, export: None }),
    }
}

#[test]
fn names_and_graph_operators() {
    Sample::new().table(
        &[
            "delays",
            "delay*",
            "*",
            "?elays",
            "+storms",
            "delays+",
            "delays+1",
            "1+recent",
            "2+recent",
            "+delays_daily+",
        ],
        &expect![[r#"
            delays                       delays
            delay*                       delays delays_daily
            *                            board delays delays_daily flights gone recent storms weather
            ?elays                       delays
            +storms                      flights storms weather
            delays+                      delays delays_daily recent
            delays+1                     delays delays_daily
            1+recent                     delays_daily recent storms
            2+recent                     delays delays_daily flights recent storms weather
            +delays_daily+               delays delays_daily flights recent"#]],
    );
    Sample::new().table(
        &["@delays", "@weather", "@board", "+board+1", "+delay*", "name:storms+", "0+storms+0"],
        &expect![[r#"
            @delays                      delays delays_daily flights recent storms weather
            @weather                     board delays delays_daily flights recent storms weather
            @board                       board weather
            +board+1                     board weather
            +delay*                      delays delays_daily flights
            name:storms+                 recent storms
            0+storms+0                   storms"#]],
    );
}

#[test]
fn methods() {
    Sample::new().table(
        &[
            "tag:raw",
            "tag:raw+1",
            "tag:n*",
            "kind:table",
            "kind:tables",
            "kind:feature_view",
            "kind:feature-views",
            "kind:features",
            "owner:ana@example.com",
            "owner:*",
            "source:flights",
            "source:*+",
            "path:tables",
            "path:tables/",
            "path:./tables/daily",
            "path:tables/*.sql",
            "path:**/delays.sql",
            "path:sources.yml",
            "tables/daily/storms.sql",
            "sources.yml",
            "path:.",
        ],
        &expect![[r#"
            tag:raw                      board flights weather
            tag:raw+1                    board delays flights storms weather
            tag:n*                       delays delays_daily
            kind:table                   delays delays_daily storms
            kind:tables                  delays delays_daily storms
            kind:feature_view            recent
            kind:feature-views           recent
            kind:features                recent
            owner:ana@example.com        delays recent
            owner:*                      delays flights recent
            source:flights               flights
            source:*+                    board delays delays_daily flights recent storms weather
            path:tables                  delays delays_daily storms
            path:tables/                 delays delays_daily storms
            path:./tables/daily          delays_daily storms
            path:tables/*.sql            delays
            path:**/delays.sql           delays delays_daily
            path:sources.yml             flights weather
            tables/daily/storms.sql      storms
            sources.yml                  flights weather
            path:.                       board delays delays_daily flights recent storms weather"#]],
    );
}

#[test]
fn states_come_from_the_plan() {
    Sample::new().table(
        &[
            "state:new",
            "state:modified",
            "state:modified+",
            "state:additive",
            "state:breaking",
            "state:metadata",
            "state:data",
            "state:unchanged",
            "state:removed",
        ],
        &expect![[r#"
            state:new                    storms
            state:modified               board delays storms
            state:modified+              board delays delays_daily recent storms
            state:additive               delays
            state:breaking               ! `state:breaking` selects nothing
            state:metadata               board
            state:data                   delays_daily flights recent
            state:unchanged              weather
            state:removed                gone"#]],
    );
    let sample = Sample::new();
    let selection = parse(&["tag:raw,state:new"]).unwrap();
    assert!(selection.needs_plan());
    let error = selection.resolve(&SelectionContext { plan: None, ..sample.context() }).unwrap_err();
    expect!["`state:` compares the project with an environment, which is not done here, at character 9 of selection `tag:raw,state:new`; select by name, tag, kind, owner, source or path"].assert_eq(&format!("{error}; {}", error.help()));
}

#[test]
fn results_come_from_the_last_run() {
    let sample = Sample::new();
    let run: LastRun = [
        ("flights", StepResult::Success),
        ("delays", StepResult::Success),
        ("delays", StepResult::Error),
        ("delays_daily", StepResult::Skipped),
    ]
    .into_iter()
    .map(|(own, result)| (name(own), result))
    .collect();
    let shown = ["result:error", "result:error+", "result:fail", "result:skipped", "result:success", "@result:error"]
        .map(|expression| {
            let selection = parse(&[expression]).unwrap();
            assert!(selection.needs_run() && !selection.needs_plan());
            let context = SelectionContext { last_run: Some(&run), ..sample.context() };
            let found = selection.resolve(&context).unwrap().assets;
            format!("{expression}: {}", found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        });
    expect![[r#"
        result:error: delays
        result:error+: delays delays_daily recent
        result:fail: delays
        result:skipped: delays_daily
        result:success: flights
        @result:error: delays delays_daily flights recent storms weather"#]]
    .assert_eq(&shown.join("\n"));
    let error = parse(&["result:error"]).unwrap().resolve(&sample.context()).unwrap_err();
    expect!["`result:` asks how the last run went, which is not known here, at character 1 of selection `result:error`; select by name, tag, kind, owner, source or path"]
        .assert_eq(&format!("{error}; {}", error.help()));
    let error = parse(&["result:eror"]).unwrap_err();
    expect!["there is no result `eror`, at character 8 of selection `result:eror`; did you mean `error`?"]
        .assert_eq(&format!("{error}; {}", error.help()));
}

#[test]
fn sets() {
    let sample = Sample::new();
    let lines = [
        (&["storms weather"][..], &[][..]),
        (&["storms", "weather"], &[]),
        (&["tag:raw,kind:source"], &[]),
        (&["+recent,delays+", "board"], &[]),
        (&[], &["tag:raw"]),
        (&["+recent"], &["+storms", "delays"]),
        (&["state:modified+"], &["kind:exposure,tag:bi"]),
        (&["gone storms"], &[]),
        (&[], &["state:removed"]),
        (&[], &[]),
        (&["  "], &[]),
    ];
    let shown = lines.map(|(select, exclude)| {
        format!("{} - {} = {}", select.join(" | "), exclude.join(" | "), sample.line(select, exclude))
    });
    expect![[r#"
        storms weather -  = storms weather
        storms | weather -  = storms weather
        tag:raw,kind:source -  = flights weather
        +recent,delays+ | board -  = board delays delays_daily recent
         - tag:raw = delays delays_daily gone recent storms
        +recent - +storms | delays = delays_daily recent
        state:modified+ - kind:exposure,tag:bi = delays delays_daily recent storms
        gone storms -  = gone storms
         - state:removed = board delays delays_daily flights recent storms weather
         -  = board delays delays_daily flights gone recent storms weather
           -  = board delays delays_daily flights gone recent storms weather"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn what_matches_nothing_is_named() {
    Sample::new().table(
        &["tag:nihgtly", "owner:bob@example.com", "source:delays", "path:tables/delay.sql", "x*", "tag:raw,kind:table"],
        &expect![[r#"
            tag:nihgtly                  ! `tag:nihgtly` selects nothing; did you mean `nightly`?
            owner:bob@example.com        ! `owner:bob@example.com` selects nothing; did you mean `ana@example.com`?
            source:delays                ! `source:delays` selects nothing
            path:tables/delay.sql        ! `path:tables/delay.sql` selects nothing; did you mean `tables/delays.sql`?
            x*                           ! `x*` selects nothing
            tag:raw,kind:table           ! `tag:raw,kind:table` selects nothing"#]],
    );
    let lines = [Sample::new().line(&["storms", "tag:none"], &[]), Sample::new().line(&["storms"], &["tag:none"])];
    expect![[r#"
        storms ! `tag:none` selects nothing
        storms ! `tag:none` selects nothing"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn mistakes_have_their_place_and_a_way_out() {
    let sample = Sample::new();
    let wrong = [
        "storm",
        "weather +strom+2",
        "tg:raw",
        "weather,+tags:raw",
        "colour:red",
        "kind:tabel",
        "state:modifed",
        "state:",
        "kind:pipeline",
        "a,,b",
        "+",
        "@",
        "storms,",
        "@storms+",
        "@+storms",
        "99999999999999999999999+storms",
        "delay[a",
        "ünd tag:",
    ];
    let lines = wrong.map(|expression| sample.line(&[expression], &[]));
    expect![[r#"
        error: there is no asset `storm`, at character 1 of selection `storm`; did you mean `storms`?
        error: there is no asset `strom`, at character 9 of selection `weather +strom+2`; did you mean `storms`?
        error: there is no method `tg`, at character 1 of selection `tg:raw`; did you mean `tag:`?
        error: there is no method `tags`, at character 10 of selection `weather,+tags:raw`; did you mean `tag:`?
        error: there is no method `colour`, at character 1 of selection `colour:red`; methods are kind, name, owner, path, result, source, state, tag
        error: there is no kind `tabel`, at character 6 of selection `kind:tabel`; did you mean `table`?
        error: there is no state `modifed`, at character 7 of selection `state:modifed`; did you mean `modified`?
        error: nothing stands at character 7 of selection `state:`; write a name or `method:value`, or remove the comma or colon
        error: there is no kind `pipeline`, at character 6 of selection `kind:pipeline`; known are source, table, feature_view, model, endpoint, monitor, exposure
        error: nothing stands at character 3 of selection `a,,b`; write a name or `method:value`, or remove the comma or colon
        error: nothing stands at character 2 of selection `+`; write a name or `method:value`, or remove the comma or colon
        error: nothing stands at character 2 of selection `@`; write a name or `method:value`, or remove the comma or colon
        error: nothing stands at character 8 of selection `storms,`; write a name or `method:value`, or remove the comma or colon
        error: `@` and `+` cannot be combined, at character 2 of selection `@storms+`; `@x` already takes all descendants of x and all that those are made from
        error: `@` and `+` cannot be combined, at character 2 of selection `@+storms`; `@x` already takes all descendants of x and all that those are made from
        error: `99999999999999999999999` is not a number of steps, at character 1 of selection `99999999999999999999999+storms`; write a small whole number, as in `2+x` or `x+1`
        error: `delay[a` is not a pattern: unclosed character class; missing ']', at character 1 of selection `delay[a`; wildcards are `*`, `?` and `[abc]`
        error: nothing stands at character 9 of selection `ünd tag:`; write a name or `method:value`, or remove the comma or colon"#]].assert_eq(&lines.join("\n"));
}

/// A graph of `reads`: asset `n` reads some of those before it.
fn graphs() -> impl Strategy<Value = Vec<BTreeSet<usize>>> {
    (2_usize..9).prop_flat_map(|count| {
        let reads = (0..count).map(|reader| {
            if reader == 0 {
                Just(BTreeSet::new()).boxed()
            } else {
                prop::collection::btree_set(0..reader, 0..=reader.min(3)).boxed()
            }
        });
        reads.collect::<Vec<_>>()
    })
}

/// Whether `to` reads `from` over at most `steps` edges, tried along every path.
fn is_read(reads: &[BTreeSet<usize>], from: usize, to: usize, steps: usize) -> bool {
    from == to || (steps > 0 && reads[to].iter().any(|input| is_read(reads, from, *input, steps - 1)))
}

fn letter(index: usize) -> String {
    format!("a{index}")
}

proptest! {
    #[test]
    fn operators_mean_what_paths_say(reads in graphs(), pick in any::<prop::sample::Index>(), up in 0_usize..4, down in 0_usize..4) {
        let count = reads.len();
        let seed = pick.index(count);
        let mut graph = Graph::new();
        for (reader, inputs) in reads.iter().enumerate() {
            graph.insert(name(&letter(reader)), inputs.iter().map(|input| name(&letter(*input))));
        }
        let assets: Assets = (0..count)
            .map(|index| (name(&letter(index)), asset((&letter(index), "x.yml", "-", "-"), Kind::Exposure)))
            .collect();
        let context = SelectionContext { graph: &graph, assets: &assets, plan: None, last_run: None };
        let below = |from: usize, steps: usize| (0..count).filter(|to| is_read(&reads, from, *to, steps)).collect::<BTreeSet<_>>();
        let above = |of: usize, steps: usize| (0..count).filter(|from| is_read(&reads, *from, of, steps)).collect::<BTreeSet<_>>();
        let build: BTreeSet<usize> = below(seed, count).into_iter().flat_map(|reader| above(reader, count)).collect();
        let own = letter(seed);
        let cases: BTreeMap<String, BTreeSet<usize>> = BTreeMap::from([
            (format!("+{own}"), above(seed, count)),
            (format!("{own}+"), below(seed, count)),
            (format!("{up}+{own}+{down}"), above(seed, up).union(&below(seed, down)).copied().collect()),
            (format!("@{own}"), build),
            (format!("+{own},{own}+"), BTreeSet::from([seed])),
        ]);
        for (expression, expected) in cases {
            let found = parse(&[&expression]).unwrap().resolve(&context).unwrap().assets;
            let expected: BTreeSet<AssetName> = expected.into_iter().map(|index| name(&letter(index))).collect();
            prop_assert_eq!(found, expected, "{}", expression);
        }
    }
}
