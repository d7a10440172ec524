//! Plans as comments on pull requests.

use expect_test::expect;
use proptest::prelude::*;

use super::scene::Scene;
use crate::render_markdown;

const RELAY: &str = "
    source landing | rows 1 | id 1, late 1 | tag id identifier
    table flights <- landing | rows 1 | id 1, late 1 | id of landing.id | late of landing.late | owner data@example.com | checks unique_id
    model delay <- flights | rows 1 | prediction of flights.late | owner ml@example.com
    exposure board <- flights | rows 1";

#[test]
fn a_breaking_change_is_on_top_and_the_rest_is_folded() {
    let project = RELAY
        .replace("flights <- landing | rows 1 | id 1, late 1", "flights <- landing | rows 1 | id 1, late 2")
        .replace("delay <- flights | rows 1", "delay <- flights | rows 2");
    let plan = Scene::parse(&project, RELAY).plan();
    let text = render_markdown(&plan).replace(plan.base.as_ref().unwrap().short(), "[commit]");
    expect![[r#"
        ### Baton plan for `prod`

        **2 unchanged, 2 breaking** as of 2013-07-01 00:00 UTC

        To train: delay

        | | asset | kind | change | why |
        |---|---|---|---|---|
        | `~` | `flights` | table | **breaking** | changes late |
        | `~` | `delay` | model | **breaking** | what it learns from, or how, differs: it is trained again |

        <details><summary>Blast radius: 2 downstream</summary>

        - ask data@example.com (flights)
        - ask ml@example.com (delay)
        - models: delay: trained again
        - exposures: board

        </details>

        - Checks: 1 check on flights
        - Undo: `baton rollback -e prod [commit]`
    "#]]
    .assert_eq(&text);
}

#[test]
fn no_changes_are_one_line() {
    expect![[r#"
        ### Baton plan for `prod`

        No changes: the environment is what the project asks for.
    "#]]
    .assert_eq(&render_markdown(&Scene::parse(RELAY, RELAY).plan()));
}

#[test]
fn thousands_of_changes_stay_within_a_comment() {
    let table = |number: usize, rows: u32| {
        format!(
            "table t{number}_{} <- landing | rows {rows} | id {rows} | id of landing.id | owner o{number}@example.com\n",
            "x".repeat(80)
        )
    };
    let all = |rows: u32| {
        let tables: String = (0..3_000).map(|number| table(number, rows)).collect();
        format!("source landing | rows 1 | id 1 | tag id identifier\n{tables}")
    };
    let text = render_markdown(&Scene::parse(&all(2), &all(1)).plan());
    assert!(text.len() <= 60_000, "{}", text.len());
    assert!(text.contains(" more\n"));
    assert!(text.contains("</details>"));
    assert!(text.contains("- Undo: `baton rollback -e prod "));
}

proptest! {
    #[test]
    fn no_reason_breaks_the_table(reason in "[ -~\n|<>`]{0,600}") {
        let mut plan = Scene::parse(&RELAY.replace("late 1 | id of", "late 2 | id of"), RELAY).plan();
        plan.assets[1].reasons = vec![reason];
        let text = render_markdown(&plan);
        let row = text.lines().find(|line| line.contains("`flights`")).unwrap();
        let cells = row.replace("\\|", "").matches('|').count();
        prop_assert_eq!(cells, 6, "{}", row);
        prop_assert!(!row.contains('<'));
    }
}
