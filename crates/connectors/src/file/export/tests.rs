//! Deliveries to folders and files.

use serde_json::{Value, json};

use super::*;
use crate::export::Change;
use crate::export::suite::{How, deliver, delivery, every_type, held, keys, rows, target};

fn place(mode: DeliveryMode, path: &str) -> (ExportTarget, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let target = ExportTarget { root: folder.path().to_owned(), ..target(mode, json!({"path": path})) };
    (target, folder)
}

/// The names of the files that count, and of all that are there.
fn names(folder: &Path) -> (Vec<String>, Vec<String>) {
    let manifest: Value = serde_json::from_slice(&fs::read(folder.join("_delivery.json")).unwrap()).unwrap();
    let listed = manifest["files"].as_array().unwrap().iter();
    let listed = listed.map(|file| file["name"].as_str().unwrap().to_owned()).collect();
    let mut there: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    there.sort();
    (listed, there)
}

#[tokio::test]
async fn a_folder_holds_changes_in_order_and_says_which_files_count() {
    let (target, folder) = place(DeliveryMode::Upsert, "out/");
    let target =
        ExportTarget { options: json!({"path": "out/", "format": "json"}).as_object().unwrap().clone(), ..target };
    let all = [(Change::Upsert, rows(&[(1, Some("a")), (2, None)]))];
    deliver(&FileExporter, &target, How::whole("aa"), &all).await.unwrap();
    let changes = [(Change::Delete, keys(&[1])), (Change::Upsert, rows(&[(2, Some("b"))]))];
    deliver(&FileExporter, &target, How::changes("bb"), &changes).await.unwrap();
    let out = folder.path().join("out");
    let (listed, there) = names(&out);
    assert_eq!(listed, ["delivery-00000001-aa-00000.jsonl", "delivery-00000002-bb-00000.jsonl"]);
    assert_eq!(there.len(), 3);
    assert_eq!(
        fs::read_to_string(out.join(&listed[1])).unwrap(),
        "{\"id\":1,\"name\":null,\"_operation\":\"delete\"}\n{\"id\":2,\"name\":\"b\",\"_operation\":\"upsert\"}\n"
    );
    assert_eq!(held(&FileExporter, &target).await.as_deref(), Some("bb"));
    // All rows once more take the place of what was there.
    deliver(&FileExporter, &target, How::whole("cc"), &all).await.unwrap();
    assert_eq!(names(&out).1, ["_delivery.json", "delivery-00000003-cc-00000.jsonl"]);
}

#[tokio::test]
async fn what_a_killed_delivery_left_does_not_count_and_goes() {
    let (target, folder) = place(DeliveryMode::Append, "out/");
    deliver(&FileExporter, &target, How::whole("aa"), &[(Change::Upsert, rows(&[(1, Some("a"))]))]).await.unwrap();
    let more = rows(&[(2, Some("b"))]);
    let mut killed = FileExporter.open(&target).await.unwrap();
    let before = killed.mark().await.unwrap();
    killed.begin(&delivery(How::changes("bb"), before, &more)).await.unwrap();
    killed.send(Change::Upsert, &more).await.unwrap();
    killed.seal().await.unwrap();
    drop(killed);
    let out = folder.path().join("out");
    assert_eq!(held(&FileExporter, &target).await.as_deref(), Some("aa"));
    assert_eq!((names(&out).0.len(), names(&out).1.len()), (1, 3));
    deliver(&FileExporter, &target, How::changes("cc"), &[(Change::Upsert, more)]).await.unwrap();
    assert_eq!(names(&out).0, ["delivery-00000001-aa-00000.parquet", "delivery-00000002-cc-00000.parquet"]);
    assert_eq!(names(&out).1.len(), 3);
}

#[tokio::test]
async fn a_folder_of_another_export_is_left_alone() {
    let (target, _folder) = place(DeliveryMode::Append, "out/");
    deliver(&FileExporter, &target, How::whole("aa"), &[(Change::Upsert, rows(&[(1, None)]))]).await.unwrap();
    let other = ExportTarget { identity: "shop/prod/other".to_owned(), ..target };
    let error = deliver(&FileExporter, &other, How::whole("bb"), &[(Change::Upsert, rows(&[(1, None)]))]).await;
    assert!(error.unwrap_err().to_string().contains("it holds what `shop/prod/crm` delivers"));
}

#[tokio::test]
async fn every_type_comes_into_every_form() {
    for (path, expected) in [
        ("all.csv", "1,true,0.1,12.50,\"tab\tback\\slash\nline 'é'\",00ff5c,2013-07-01"),
        ("all.jsonl", "\"price\":12.50,\"note\":\"tab\\tback\\\\slash\\nline 'é'\",\"raw\":\"00ff5c\""),
        ("all.parquet", "PAR1"),
    ] {
        let (target, folder) = place(DeliveryMode::Replace, path);
        deliver(&FileExporter, &target, How::whole("aa"), &[(Change::Upsert, every_type())]).await.unwrap();
        let content = fs::read(folder.path().join(path)).unwrap();
        let text = String::from_utf8_lossy(&content);
        assert!(text.contains(expected), "{path}: {text}");
    }
}

#[test]
fn wrong_places_are_named() {
    let examined =
        |mode, path: &str| FileExporter.examine(&target(mode, json!({"path": path}))).unwrap_err().to_string();
    assert!(examined(DeliveryMode::Upsert, "out.csv").contains("`out.csv` is one file, which can only be replaced"));
    assert!(examined(DeliveryMode::Replace, "../out.csv").contains("leads out of the project folder"));
    let unknown = target(DeliveryMode::Replace, json!({"path": "out.csv", "colour": "red"}));
    let told = FileExporter.examine(&unknown).unwrap_err().to_string();
    assert!(told.contains("unknown field `colour`"), "{told}");
}
