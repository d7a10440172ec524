//! The protocol's rules, request by request. Forms and words are those captured from the feature server of Feast 0.67.

use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{Reply, TestServer};

const PATH: &str = "/get-online-features";

async fn ask(body: Value) -> Reply {
    TestServer::new().post_json(PATH, &body.to_string()).await
}

#[tokio::test]
async fn answer_is_by_column_with_the_join_keys_first() {
    let body = json!({"entities": {"carrier": ["UA", "XX", "AA", "OLD", "UA"]}, "features": ["carrier_delays:mean"]});
    let reply = ask(body).await;
    assert_eq!(reply.status.as_u16(), 200);
    let expected = json!({
        "metadata": {"feature_names": ["carrier", "mean"]},
        "results": [
            {
                "values": ["UA", "XX", "AA", "OLD", "UA"],
                "statuses": ["PRESENT", "PRESENT", "PRESENT", "PRESENT", "PRESENT"],
                "event_timestamps": [
                    "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
                    "1970-01-01T00:00:00Z",
                ],
            },
            {
                "values": [7.5, null, null, null, 7.5],
                "statuses": ["PRESENT", "NOT_FOUND", "NULL_VALUE", "OUTSIDE_MAX_AGE", "PRESENT"],
                "event_timestamps": [
                    "1970-01-01T00:01:40Z", "1970-01-01T00:00:00Z", "1970-01-01T00:01:40.250Z", "1970-01-01T00:00:10Z",
                    "1970-01-01T00:01:40Z",
                ],
            },
        ],
    });
    assert_eq!(reply.json(), expected);
}

#[tokio::test]
async fn names_may_be_full_and_several_views_have_keys_of_their_own() {
    let body = json!({
        "entities": {"carrier": ["UA"], "route": [7]},
        "features": ["route_delays:mean", "carrier_delays:mean", "carrier_delays:flights"],
        "full_feature_names": true,
        "include_feature_view_version_metadata": false,
    });
    let answer = ask(body).await.json();
    let names = ["carrier", "route", "route_delays__mean", "carrier_delays__mean", "carrier_delays__flights"];
    assert_eq!(answer["metadata"]["feature_names"], json!(names));
    let values: Vec<&Value> = answer["results"].as_array().unwrap().iter().map(|column| &column["values"][0]).collect();
    assert_eq!(values, [&json!("UA"), &json!(7), &json!(1.25), &json!(7.5), &json!(200)]);
}

#[tokio::test]
async fn feature_service_is_an_endpoint_or_the_model_behind_it() {
    for service in ["delay", "arrival_delay"] {
        let answer = ask(json!({"entities": {"carrier": ["UA"]}, "feature_service": service})).await.json();
        assert_eq!(answer["metadata"]["feature_names"], json!(["carrier", "mean"]), "{service}");
        assert_eq!(answer["results"][1]["values"], json!([7.5]));
    }
}

#[tokio::test]
async fn no_rows_are_answered_by_no_rows() {
    let answer = ask(json!({"entities": {"carrier": []}, "features": ["carrier_delays:mean"]})).await.json();
    assert_eq!(answer["results"][1], json!({"values": [], "statuses": [], "event_timestamps": []}));
}

#[tokio::test]
async fn errors_are_those_that_the_client_raises_again() {
    let cases = [
        json!({"entities": {"carrier": ["UA"]}, "features": ["nope:mean"]}),
        json!({"entities": {"carrier": ["UA"]}, "features": ["carrier_delays:median"]}),
        json!({"entities": {"carrier": ["UA"]}, "features": ["mean"]}),
        json!({"entities": {"carrier": ["UA"]}, "feature_service": "nope"}),
        json!({"entities": {"pilot": ["UA"], "carrier": ["UA"]}, "features": ["carrier_delays:mean"]}),
        json!({"entities": {}, "features": ["carrier_delays:mean"]}),
        json!({"entities": {"carrier": ["UA"], "route": [1, 2]}, "features": ["carrier_delays:mean"]}),
        json!({"entities": {"carrier": "UA"}, "features": ["carrier_delays:mean"]}),
        json!({"entities": {"carrier": ["UA"], "route": [7]}, "features": ["carrier_delays:mean", "route_delays:mean"]}),
        json!({"entities": {"carrier": ["UA"]}}),
        json!({"features": ["carrier_delays:mean"]}),
    ];
    let mut text = String::new();
    for body in cases {
        text.push_str(&ask(body).await.line());
        text.push('\n');
    }
    expect![[r#"
        404 "{\"module\":\"feast.errors\",\"class\":\"FeatureViewNotFoundException\",\"message\":\"Feature view nope does not exist; online are carrier_delays, route_delays\"}"
        422 {"detail":[{"type":"value_error","loc":["body","features"],"msg":"feature view `carrier_delays` has no feature `median`; it has mean, flights","input":null}]}
        422 {"detail":[{"type":"value_error","loc":["body","features"],"msg":"`mean` names no feature; write `feature_view:feature`","input":null}]}
        404 "{\"module\":\"feast.errors\",\"class\":\"FeatureServiceNotFoundException\",\"message\":\"Feature service nope does not exist; there are amount, broken, delay\"}"
        404 "{\"module\":\"feast.errors\",\"class\":\"EntityNotFoundException\",\"message\":\"Entity pilot does not exist: no online feature view is found by it\"}"
        404 "{\"module\":\"feast.errors\",\"class\":\"RequestDataNotFoundInEntityRowsException\",\"message\":\"carrier, by which feature view carrier_delays is found, is not in the entity rows\"}"
        422 {"detail":[{"type":"value_error","loc":["body","entities"],"msg":"all entities must have the same number of rows","input":null}]}
        422 {"detail":[{"type":"value_error","loc":["body","entities"],"msg":"`carrier` holds no list, not plain values","input":null}]}
        400 "{\"module\":\"feast.errors\",\"class\":\"FeatureNameCollisionError\",\"message\":\"Duplicate features named mean found; use full_feature_names=True\"}"
        422 {"detail":[{"type":"value_error","loc":["body","features"],"msg":"give either `features` or `feature_service`","input":null}]}
        422 {"detail":[{"type":"value_error","loc":["body",""],"msg":"missing field `entities` at line 1 column 36","input":null}]}
    "#]].assert_eq(&text);
}
