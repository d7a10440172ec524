//! What connector `s3` finds and reads in a store, which is played by moto.

use std::path::PathBuf;

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use baton_testkit::moto::TestMoto;
use expect_test::expect;

use super::*;

fn request(store: &TestMoto, location: &str, options: &[(&str, &str)]) -> DiscoverRequest {
    let usual =
        [("endpoint", store.url()), ("access_key_id", "key".to_owned()), ("secret_access_key", "s3cret".to_owned())];
    let mut all: BTreeMap<String, String> = usual.map(|(name, value)| (name.to_owned(), value)).into();
    all.extend(options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    DiscoverRequest { root: PathBuf::new(), location: location.to_owned(), options: all }
}

fn paths(units: &[Unit]) -> Vec<&str> {
    units.iter().map(|unit| unit.path.as_str()).collect()
}

fn ids(unit: &Unit) -> Result<Vec<i64>, ConnectorError> {
    let mut ids = Vec::new();
    S3Connector.read(unit, &Contract::default(), &mut |batch| {
        let column = batch.column_by_name("id").unwrap();
        ids.extend(column.as_primitive::<Int64Type>().values());
        Ok(())
    })?;
    Ok(ids)
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Callers may stand in a runtime of their own.
#[tokio::test]
async fn objects_are_found_by_glob_and_read_as_files_are() {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    store.put(&bucket, "in/2024/a.csv", b"id,name\n1,x\n2,y\n");
    store.put(&bucket, "in/2024/b.csv.gz", &gzipped("id,name\n3,z\n"));
    store.put(&bucket, "in/2025/c.jsonl", b"{\"id\": 4}\n");
    store.put(&bucket, "in/.hidden.csv", b"id\n9\n");
    store.put(&bucket, "other/d.csv", b"id\n9\n");
    let units = S3Connector.discover(&request(store, &format!("s3://{bucket}/in/**/*.{{csv,gz,jsonl}}"), &[])).unwrap();
    let names: Vec<String> = paths(&units).iter().map(|path| path.replace(&bucket, "B")).collect();
    assert_eq!(names, ["s3://B/in/2024/a.csv", "s3://B/in/2024/b.csv.gz", "s3://B/in/2025/c.jsonl"]);
    let read: Vec<Vec<i64>> = units.iter().map(|unit| ids(unit).unwrap()).collect();
    assert_eq!(read, [vec![1, 2], vec![3], vec![4]]);
    let one = S3Connector.discover(&request(store, &format!("s3://{bucket}/in/2024/a.csv"), &[])).unwrap();
    assert_eq!(ids(&one[0]).unwrap(), [1, 2]);
    let none = S3Connector.discover(&request(store, &format!("s3://{bucket}/nothing/*.csv"), &[])).unwrap();
    assert!(none.is_empty());
}

#[test]
fn listings_of_many_pages_are_read_to_the_end() {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    // The store lists ten a page.
    (0..43).for_each(|number| store.put(&bucket, &format!("many/{number:04}.csv"), b"id\n1\n"));
    let units = S3Connector.discover(&request(store, &format!("s3://{bucket}/many/*.csv"), &[])).unwrap();
    assert_eq!((units.len(), paths(&units)[42].ends_with("many/0042.csv")), (43, true));
}

#[test]
fn a_changed_object_is_another_delivery_and_is_never_read_in_another_state() {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    let location = format!("s3://{bucket}/a.csv");
    store.put(&bucket, "a.csv", b"id\n1\n");
    let first = S3Connector.discover(&request(store, &location, &[])).unwrap();
    let again = S3Connector.discover(&request(store, &location, &[])).unwrap();
    let fingerprint = |units: &[Unit]| S3Connector.fingerprint(&units[0]).unwrap();
    assert_eq!(fingerprint(&first), fingerprint(&again));
    // As long as before, within the same second.
    store.put(&bucket, "a.csv", b"id\n2\n");
    let changed = S3Connector.discover(&request(store, &location, &[])).unwrap();
    assert_ne!(fingerprint(&first), fingerprint(&changed));
    assert_eq!(ids(&changed[0]).unwrap(), [2]);
    assert!(matches!(ids(&first[0]), Err(ConnectorError::ChangedWhileReading { .. })));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do_and_without_secrets() {
    let store = TestMoto::shared();
    let bucket = store.bucket();
    let place = store.url().replace("http://", "");
    let told = |request: &DiscoverRequest| S3Connector.discover(request).unwrap_err().to_string();
    let missing = told(&request(store, "s3://not-there/*.csv", &[]));
    assert_eq!(
        missing,
        format!("s3 at {place}, bucket not-there has no such bucket; mend `path`, or `endpoint` and `region`")
    );
    let gone = told(&request(store, &format!("s3://{bucket}/gone.csv"), &[]));
    assert!(gone.contains("has no object `gone.csv`"), "{gone}");
    let nowhere = S3Connector
        .discover(&request(store, &format!("s3://{bucket}/*.csv"), &[("endpoint", "http://127.0.0.1:1")]))
        .unwrap_err();
    assert!(nowhere.is_transient() && nowhere.to_string().contains("cannot be asked"), "{nowhere}");
    let strict = TestMoto::with_keys();
    let refused = told(&request(&strict, "s3://any/*.csv", &[]));
    assert!(refused.contains("refuses") && refused.contains("mend `access_key_id`"), "{refused}");
    assert!(!format!("{missing}{gone}{nowhere}{refused}").contains("s3cret"));
}

#[test]
fn wrong_options_are_named() {
    let told = |location: &str, options: &[(&str, &str)]| {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = DiscoverRequest { root: PathBuf::new(), location: location.to_owned(), options };
        S3Connector.discover(&request).unwrap_err().to_string()
    };
    let all = [
        told("landing/*.csv", &[]),
        told("s3://bucket", &[]),
        told("s3://bucket/*.csv", &[("acl", "x")]),
        told("s3://bucket/*.csv", &[("endpoint", "minio:9000")]),
        told("s3://bucket/*.csv", &[("secret_access_key", "s3cret")]),
        told("s3://bucket/*.csv", &[("anonymous", "maybe")]),
        told("s3://bucket/*.csv", &[("format", "xlsx")]),
        told("s3://bucket/[.csv", &[]),
    ];
    expect![[r#"
        option `path: landing/*.csv` is not `s3://bucket/folder/*.parquet`
        option `path: s3://bucket` needs a bucket and what to read in it, such as `s3://bucket/*.csv`
        option `acl: …` is unknown to connector `s3`; it knows endpoint, region, access_key_id, secret_access_key, session_token, anonymous, path_style, format, compression, delimiter, header
        option `endpoint: …` does not begin with `https://` or `http://`
        option `access_key_id: …` goes with `secret_access_key`
        option `anonymous: …` is not true or false
        option `format: xlsx` is not parquet, csv or json
        path `[.csv` is not a valid pattern: unclosed character class; missing ']'"#]].assert_eq(&all.join("\n"));
}
