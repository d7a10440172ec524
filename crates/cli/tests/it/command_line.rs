//! Help, version, bad command lines, folders that are no projects.

use expect_test::expect;

use crate::shop::{check, empty, shop};

#[test]
fn version_is_one_line() {
    check(
        &empty().run(&["--version"]),
        &expect![[r#"
        exit: 0
        --- stdout
        baton 0.1.0
    "#]],
    );
}

#[test]
fn help_lists_the_commands() {
    check(
        &empty().run(&["--help"]),
        &expect![[r#"
            exit: 0
            --- stdout
            Carry data to models, and what models learn back to data

            Usage: baton [OPTIONS] <COMMAND>

            Commands:
              init         Write a new project
              check        Read the project and report every mistake in it
              test         Run unit tests: given rows in, expected rows out
              plan         Show what an apply would do, and why
              approve      Agree to a saved plan that breaks what you own, or to what waits in a run
              apply        Bring the environment to what the project asks for
              run          Take in new data, score, and watch, as a schedule does
              runs         List runs, show one over time, end it, or go on with it
              schedule     List schedules, or ask for one now
              runbook      Do the steps that mend something, or list what there is for incidents
              backfill     Compute a stretch of an incremental table again, with what reads it
              export       Deliver rows of the environment to a system outside, or write what is tracked for
                           MLflow
              import       Bring in what another tracker keeps: MLflow, Optuna
              search       Search for a model's algorithm and parameters, without training a version
              replay       Drive the schedule over a stretch of history, tick by tick
              serve        Serve endpoints over HTTP
              tracking     Serve runs, metrics and models to MLflow clients from one file, without a project
              query        Ask the environment's tables in SQL
              files        List the files that a table of a command keeps, or take them out
              ls           List assets
              show         Show one asset: versions, schema, profile, checks, lineage
              lineage      Show what an asset is made from and what it feeds
              predict      Ask an endpoint for a prediction, and log it
              diff         Compare two commits or environments: definitions, columns, rows, statistics, models
              reproduce    Rebuild versions from what they were recorded to be made from, and compare digests
              trace        Follow one prediction back to the files behind it
              why          Say why something went wrong, with evidence
              status       Show how the environment stands
              log          Show the commits of the environment
              env          Make, list, compare and remove environments
              promote      Bring what one environment changed into another, all of it or nothing
              gc           Delete what no environment, tag, model version or retention reaches
              tag          Name a commit, list or delete such names
              ledger       Move the ledger to another database, or check its seal
              rollback     Move the environment back: data, features, model and endpoint together
              demo         Run the whole relay on a year of real flights
              explain      Say what the code of a message means, and what to do
              lsp          Serve an editor as you type: mistakes, types, lineage (language server)
              doctor       Check settings, stores and libraries
              completions  Print shell completions
              help         Print this message or the help of the given subcommand(s)

            Options:
              -h, --help
                      Print help (see a summary with '-h')

              -V, --version
                      Print version

            Global options:
              -C, --directory <FOLDER>
                      Folder of the project [default: the current one]

              -e, --env <NAME>
                      Environment to work on [default: prod, or the project's first]

              -o, --output <FORM>
                      Form of the answer on standard output

                      Possible values:
                      - text: For people
                      - json: One JSON document

                      [default: text]

                  --as-of <TIME>
                      Logical clock: what became known later does not exist [default: now]

              -q, --quiet
                      Say nothing but the answer and errors

              -v, --verbose...
                      Say more; twice for the log of the parts below

                  --color <WHEN>
                      When to use colour

                      Possible values:
                      - auto:   On a terminal
                      - always: Always
                      - never:  Never

                      [default: auto]

                  --no-progress
                      Draw no progress bars
        "#]],
    );
}

#[test]
fn help_of_a_command_lists_its_flags() {
    check(
        &empty().run(&["replay", "-h"]),
        &expect![[r#"
        exit: 0
        --- stdout
        Drive the schedule over a stretch of history, tick by tick

        Usage: baton replay [OPTIONS] --from <TIME> --to <TIME>

        Options:
              --from <TIME>       First tick of the logical clock
              --to <TIME>         Last tick of the logical clock
              --every <DURATION>  Time between ticks [default: 1d]
          -h, --help              Print help (see more with '--help')

        Global options:
          -C, --directory <FOLDER>  Folder of the project [default: the current one]
          -e, --env <NAME>          Environment to work on [default: prod, or the project's first]
          -o, --output <FORM>       Form of the answer on standard output [default: text] [possible values:
                                    text, json]
              --as-of <TIME>        Logical clock: what became known later does not exist [default: now]
          -q, --quiet               Say nothing but the answer and errors
          -v, --verbose...          Say more; twice for the log of the parts below
              --color <WHEN>        When to use colour [default: auto] [possible values: auto, always,
                                    never]
              --no-progress         Draw no progress bars
    "#]],
    );
}

#[test]
fn unknown_flag_is_a_bad_command_line() {
    check(
        &shop().run(&["plan", "--quik"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: unexpected argument '--quik' found

          tip: a similar argument exists: '--quiet'

        Usage: baton plan --quiet

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn unknown_command_names_the_nearest() {
    check(
        &shop().run(&["aply"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: unrecognized subcommand 'aply'

          tip: some similar subcommands exist: 'replay', 'apply'

        Usage: baton [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn time_that_is_none_is_a_bad_command_line() {
    check(
        &shop().run(&["plan", "--as-of", "yesterday"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: `yesterday` is not a time
        help: write a date such as 2013-07-01, or RFC 3339 such as 2013-07-01T12:00:00Z
    "#]],
    );
}

#[test]
fn replay_backwards_is_a_bad_command_line() {
    check(
        &shop().run(&["replay", "--from", "2024-02-01", "--to", "2024-01-01"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: --to 2024-01-01 lies before --from 2024-02-01
        help: give the earlier time with --from
    "#]],
    );
}

#[test]
fn folder_without_a_project_says_how_to_begin() {
    check(
        &empty().run(&["plan"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `[folder]` is not a Baton project: it holds no baton.yml
        help: run `baton init` to write a new project here, or name its folder with `-C FOLDER`
    "#]],
    );
}

#[test]
fn unknown_environment_names_the_known_ones() {
    check(
        &shop().run(&["plan", "-e", "prd"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no environment `prd`
        help: did you mean `prod`?
        help: known are dev, prod; declare others in baton.yml under `environments:`
    "#]],
    );
}

#[test]
fn unknown_asset_names_the_nearest() {
    check(
        &shop().run(&["show", "custmers"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: there is no asset `custmers` in the project
        help: did you mean `customers`?
        help: `baton ls` lists all assets
    "#]],
    );
}

#[test]
fn init_writes_a_project_that_checks() {
    let project = empty();
    check(
        &project.run(&["init"]),
        &expect![[r#"
        exit: 0
        --- stdout
        + baton.yml
        + sources.yml
        + tables/customers.sql
        + landing/orders.csv
        + .gitignore

        Next:
          baton check
          baton plan
          baton apply
    "#]],
    );
    check(
        &project.run(&["check"]),
        &expect![[r#"
        exit: 0
        --- stdout
        first: 2 assets, no errors
    "#]],
    );
    check(
        &project.run(&["init"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: folder `.` is not empty
        help: choose another folder, or give --force to write into it
    "#]],
    );
}

#[test]
fn completions_are_a_script() {
    let script = empty().output(&["completions", "bash"]);
    assert_eq!(script.code, Some(0));
    assert!(script.stdout.contains("complete -F _baton"), "{}", script.stdout);
}

#[test]
fn doctor_tries_everything() {
    let project = shop();
    project.write("baton.yml", "project: shop\nenvironments: {dev: {}}\nserver: {port: 0}\n");
    check(
        &project.run(&["doctor"]),
        &expect![[r#"
        exit: 0
        --- stdout
        ✓ version       0.1.0
        ✓ project       shop: 3 assets, environment dev
        ✓ warehouse     ./.baton/warehouse
        ✓ ledger        not there yet; the first apply makes it
        ✓ online store  not there yet; the first feature view makes it
        ✓ port          127.0.0.1:0 is free
        ✓ onnx runtime  not set (BATON_ONNXRUNTIME); needed only for ONNX models from elsewhere
    "#]],
    );
}
