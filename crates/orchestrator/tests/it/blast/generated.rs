//! A project of 200 assets from a seed: sources of small CSV files, tables in layers, feature views and exposures.
//!
//! All arithmetic is on whole numbers, so that no order of rows shows in a sum; ids are unique within every table, so
//! that joins do not multiply rows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::random::Random;

const SOURCES: usize = 16;
const LAYERS: usize = 7;
const TABLES_IN_LAYER: usize = 20;
const VIEWS: usize = 30;
const EXPOSURES: usize = 14;
const ROWS: usize = 480;
/// Rows with a fraction in one of the columns that are declared as whole numbers: they are set aside until the type is
/// declared otherwise. (Where no row is set aside, a declared type decides nothing, which no plan can know.)
const MISFITS: usize = 60;

/// The project before it is text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub(crate) sources: Vec<Source>,
    pub(crate) tables: Vec<Table>,
    pub(crate) views: Vec<View>,
    pub(crate) exposures: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) available_at: Option<String>,
    /// Declared types by column.
    pub(crate) types: BTreeMap<&'static str, &'static str>,
    pub(crate) description: String,
}

/// How a table's query is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Filter,
    Join,
    Group,
    Union,
    Window,
    Cte,
    Exists,
    Within,
    Star,
}

const SHAPES: [Shape; 9] = [
    Shape::Filter,
    Shape::Join,
    Shape::Group,
    Shape::Union,
    Shape::Window,
    Shape::Cte,
    Shape::Exists,
    Shape::Within,
    Shape::Star,
];

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) from: Vec<String>,
    /// Names and expressions; `$l` and `$r` stand for the two inputs.
    pub(crate) columns: Vec<(String, String)>,
    /// What must hold of the left input, and of the right.
    pub(crate) filters: Vec<String>,
    pub(crate) right_filter: String,
    pub(crate) group: usize,
    pub(crate) join: &'static str,
    /// Of windows.
    pub(crate) partition: &'static str,
    /// Names of the aliases.
    pub(crate) aliases: (&'static str, &'static str),
    pub(crate) comment: String,
    pub(crate) breaks_lines: bool,
    pub(crate) owner: String,
    pub(crate) checks_id: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) ttl: usize,
    pub(crate) features: Vec<&'static str>,
}

impl Spec {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let random = &mut Random::from_seed(seed);
        let sources = (0..SOURCES).map(|number| source(number, random)).collect();
        let mut tables: Vec<Table> = Vec::new();
        let mut layer: Vec<String> = (0..SOURCES).map(|number| format!("s{number}")).collect();
        let mut earlier = layer.clone();
        for depth in 0..LAYERS {
            let made: Vec<Table> = (0..TABLES_IN_LAYER)
                .map(|number| table(&format!("t{depth}_{number}"), &layer, &earlier, random))
                .collect();
            layer = made.iter().map(|table| table.name.clone()).collect();
            earlier.extend(layer.clone());
            tables.extend(made);
        }
        let any = |random: &mut Random| random.of(&tables).name.clone();
        let views = (0..VIEWS).map(|number| view(number, any(random), random)).collect();
        let exposures = (0..EXPOSURES).map(|number| (format!("e{number}"), vec![any(random)])).collect();
        Self { sources, tables, views, exposures }
    }

    /// The project's files.
    pub(crate) fn files(&self) -> BTreeMap<String, String> {
        let mut files =
            BTreeMap::from([("baton.yml".to_owned(), "project: made\nenvironments: {dev: {}}\n".to_owned())]);
        files.insert(
            "sources.yml".to_owned(),
            self.sources.iter().fold("sources:\n".to_owned(), |all, one| all + &one.yaml()),
        );
        let about = self.tables.iter().map(Table::yaml).collect::<String>();
        files.insert("tables.yml".to_owned(), format!("tables:\n{about}"));
        files.insert("features.yml".to_owned(), self.readers());
        files.extend(self.tables.iter().map(|table| (format!("tables/{}.sql", table.name), table.sql())));
        files
    }

    fn readers(&self) -> String {
        let mut text = "features:\n".to_owned();
        for View { name, from, ttl, features } in &self.views {
            let _ = writeln!(
                text,
                "  - {{name: {name}, entity: [id], from: {from}, time: at, ttl: {ttl}d, features: [{}]}}",
                features.join(", ")
            );
        }
        text.push_str("exposures:\n");
        for (name, reads) in &self.exposures {
            let _ =
                writeln!(text, "  - {{name: {name}, owner: board@example.com, depends_on: [{}]}}", reads.join(", "));
        }
        text
    }
}

/// The rows of a source, by file.
pub(crate) fn landing(seed: u64) -> BTreeMap<String, String> {
    let random = &mut Random::from_seed(seed ^ 0xDA7A);
    let file = |number: usize, random: &mut Random| {
        let mut text = "id,k,at,c,x,y,z\n".to_owned();
        for id in 0..ROWS {
            let (k, day, c) =
                (random.between(0, 7), random.between(1, 29), random.of(&["ash", "birch", "cedar", "elm"]));
            let (x, y, z) = (random.between(0, 1009), random.between(0, 1009), random.between(0, 1009));
            let _ = writeln!(text, "{id},{k},2024-01-{day:02}T00:00:00Z,{c},{x},{y},{z}");
        }
        for id in ROWS..ROWS + MISFITS {
            let (k, day, x) = (random.between(0, 7), random.between(1, 29), random.between(100, 800));
            let half = |column: usize| if id % 3 == column { ".5" } else { "" };
            let _ =
                writeln!(text, "{id},{k},2024-01-{day:02}T00:00:00Z,ash,{x}{},{x}{},{x}{}", half(0), half(1), half(2));
        }
        (format!("landing/s{number}.csv"), text)
    };
    (0..SOURCES).map(|number| file(number, random)).collect()
}

fn source(number: usize, random: &mut Random) -> Source {
    let types =
        [("id", "int"), ("k", "int"), ("at", "timestamp"), ("c", "string"), ("x", "int"), ("y", "int"), ("z", "int")];
    Source {
        name: format!("s{number}"),
        available_at: random.happens(25).then(|| "at".to_owned()),
        types: types.into(),
        description: "Made up".to_owned(),
    }
}

fn view(number: usize, from: String, random: &mut Random) -> View {
    let features = random.of(&[vec!["x", "y"], vec!["z"], vec!["x", "c"], vec!["x", "y", "z"]]).clone();
    View { name: format!("v{number}"), from, ttl: random.between(2, 9), features }
}

fn table(name: &str, layer: &[String], earlier: &[String], random: &mut Random) -> Table {
    let shape = *random.of(&SHAPES);
    let from = vec![random.of(layer).clone(), random.of(earlier).clone()];
    let mut columns = vec![("id".to_owned(), "$l.id".to_owned()), ("k".to_owned(), "$l.k".to_owned())];
    columns.push(("at".to_owned(), "$l.at".to_owned()));
    columns.push(("c".to_owned(), text_value(random)));
    columns.extend(["x", "y", "z"].map(|column| (column.to_owned(), number(shape, random))));
    if shape == Shape::Star {
        columns = vec![(format!("w_{name}"), number(shape, random))];
    }
    Table {
        name: name.to_owned(),
        shape,
        from,
        columns,
        filters: (0..*random.of(&[0, 0, 1, 2])).map(|_| condition("$l.", random)).collect(),
        right_filter: condition("", random),
        group: random.between(2, 200),
        join: if random.happens(60) { "left join" } else { "join" },
        partition: if random.happens(50) { "$l.k" } else { "$l.c" },
        aliases: ("l", "r"),
        comment: String::new(),
        breaks_lines: true,
        owner: format!("team{}@example.com", random.between(0, 5)),
        checks_id: false,
    }
}

/// A condition that most rows meet.
pub(crate) fn condition(side: &str, random: &mut Random) -> String {
    let column = random.of(&["x", "y", "z"]);
    let least = random.between(50, 140);
    match random.between(0, 3) {
        0 => format!("{side}{column} > {least}"),
        1 => format!("{side}{column} between {least} and {}", least + random.between(790, 850)),
        _ => format!("{side}{column} % 8 <> {}", random.between(0, 8)),
    }
}

fn text_value(random: &mut Random) -> String {
    match random.between(0, 3) {
        0 => format!("case when $l.y > {} then $l.c else 'oak' end", random.between(200, 800)),
        1 => "upper($l.c)".to_owned(),
        _ => "$l.c".to_owned(),
    }
}

/// An expression of whole numbers below 1009, over what the shape offers.
pub(crate) fn number(shape: Shape, random: &mut Random) -> String {
    let offered: &[&str] = match shape {
        Shape::Join => &["$l.x", "$l.y", "$l.z", "coalesce($r.x, $l.y)", "coalesce($r.y, $l.z)"],
        Shape::Cte => &["$l.x", "$l.y", "$l.z", "coalesce($r.total, $l.x)"],
        _ => &["$l.x", "$l.y", "$l.z"],
    };
    let (one, other) = (*random.of(offered), *random.of(offered));
    let factor = random.between(2, 30);
    match random.between(0, 5) {
        0 => format!("({one} * {factor} + {other} + $l.id) % 1009"),
        1 => format!("case when {one} > {} then {one} else {other} end", factor * 20),
        2 => format!("({one} + {factor}) % 1009"),
        3 => format!("({one} + {other} * {factor} + $l.id * 3) % 1009"),
        _ => one.to_owned(),
    }
}

impl Source {
    fn yaml(&self) -> String {
        let Self { name, description, .. } = self;
        let mut text = format!("  - name: {name}\n    description: {description}\n    connector: file\n");
        let _ = writeln!(text, "    path: landing/{name}.csv\n    load: replace");
        if let Some(known) = &self.available_at {
            let _ = writeln!(text, "    available_at: {known}");
        }
        text.push_str("    columns:\n");
        for (column, kind) in &self.types {
            let _ = writeln!(text, "      - {{name: {column}, type: {kind}}}");
        }
        text
    }
}

impl Table {
    fn yaml(&self) -> String {
        let checks = if self.checks_id { "    columns:\n      - {name: id, checks: [not_null]}\n" } else { "" };
        format!("  - name: {}\n    owner: {}\n{checks}", self.name, self.owner)
    }

    fn sql(&self) -> String {
        let columns = self.columns.iter().map(|(name, value)| format!("{} as {name}", self.value(name, value)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let filter =
            if self.filters.is_empty() { String::new() } else { format!(" where {}", self.filters.join(" and ")) };
        let (left, right, kept) = (&self.from[0], &self.from[1], &self.right_filter);
        let query = match self.shape {
            Shape::Filter | Shape::Window => format!("select {columns} from {left} $l{filter}"),
            Shape::Star => format!("select *, {columns} from {left} $l{filter}"),
            Shape::Join => format!(
                "select {columns} from {left} $l {} (select id, max(x) as x, min(y) as y from {right} where {kept} group by id) $r on $r.id = $l.id{filter}",
                self.join
            ),
            Shape::Group => format!("select {columns} from {left} $l{filter} group by $l.id * {} % 479", self.group),
            Shape::Union => {
                let tie = if self.filters.is_empty() { " where" } else { " and" };
                format!(
                    "select {columns} from {left} $l{filter}{tie} $l.id % 3 <> 0 union all select {columns} from {right} $l where {kept} and $l.id % 3 = 0"
                )
            }
            Shape::Cte => format!(
                "with kept as (select * from {right} where {kept}), summed as (select k, sum(x) % 1009 as total from kept group by k) select {columns} from {left} $l left join summed $r on $r.k = $l.k{filter}"
            ),
            Shape::Exists | Shape::Within => {
                let tie = if self.filters.is_empty() { "where" } else { "and" };
                let held = match self.shape {
                    Shape::Exists => format!("exists (select 1 from {right} $r where $r.id = $l.id and $r.{kept})"),
                    _ => format!("$l.id in (select id from {right} where {kept})"),
                };
                format!("select {columns} from {left} $l{filter} {tie} {held}")
            }
        };
        let (l, r) = self.aliases;
        let mut text = query.replace("$l", l).replace("$r", r);
        if self.breaks_lines {
            text = text.replace(" from ", "\nfrom ").replace(" where ", "\nwhere ");
        }
        format!("{}{text}\n", self.comment)
    }

    /// A column's expression, as the shape needs it.
    fn value(&self, name: &str, value: &str) -> String {
        match (self.shape, name) {
            (Shape::Group, "id") => format!("$l.id * {} % 479", self.group),
            (Shape::Group, "k" | "at") => format!("max({value})"),
            (Shape::Group, "c") => format!("min({value})"),
            (Shape::Group, _) => format!("sum({value}) % 1009"),
            (Shape::Window, "y") => {
                format!("sum({value}) over (partition by {} order by $l.id) % 1009", self.partition)
            }
            _ => value.to_owned(),
        }
    }
}
