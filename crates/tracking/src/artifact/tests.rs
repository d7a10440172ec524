//! Files go in and out whole, or not at all: in a folder, and in a store of objects, which is played by moto.

use std::convert::Infallible;

use baton_testkit::moto::TestMoto;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use proptest::prelude::*;

use super::*;

fn store() -> (tempfile::TempDir, ArtifactStore) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path().join("artifacts"));
    (folder, artifacts)
}

/// A store of both kinds, and where its own files are.
fn stores() -> [(tempfile::TempDir, ArtifactStore); 2] {
    let folder = tempfile::tempdir().unwrap();
    let moto = TestMoto::shared();
    let artifacts = in_bucket(folder.path(), &moto.bucket());
    [store(), (folder, artifacts)]
}

fn in_bucket(root: &Path, bucket: &str) -> ArtifactStore {
    below(root, bucket, "/mlflow/prod/")
}

fn below(root: &Path, bucket: &str, prefix: &str) -> ArtifactStore {
    let builder = AmazonS3Builder::new().with_bucket_name(bucket).with_region("us-east-1").with_allow_http(true);
    let builder = builder.with_endpoint(TestMoto::shared().url()).with_access_key_id("k").with_secret_access_key("s");
    ArtifactStore::in_objects(root, Arc::new(builder.build().unwrap()), prefix).unwrap()
}

fn path(text: &str) -> ArtifactPath {
    ArtifactPath::parse(text).unwrap()
}

fn body(pieces: &[&[u8]]) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + Unpin + use<> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    futures::stream::iter(pieces)
}

async fn read(artifacts: &ArtifactStore, at: &str, range: Option<ByteRange>) -> Vec<u8> {
    let file = artifacts.get(&path(at)).await.unwrap();
    let pieces: Vec<Bytes> = file.bytes(range).try_collect().await.unwrap();
    pieces.concat()
}

fn staged(artifacts: &ArtifactStore) -> usize {
    std::fs::read_dir(artifacts.staging()).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_file_comes_back_as_it_went_in_with_its_digest() {
    for (_folder, artifacts) in stores() {
        let stored = artifacts.put(&path("1/run/artifacts/a b.txt"), body(&[b"hel", b"lo"]), None).await.unwrap();
        // echo -n hello | sha256sum
        let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!((stored.size, stored.digest.to_string()), (5, sum.to_owned()));
        assert_eq!(read(&artifacts, "1/run/artifacts/a b.txt", None).await, b"hello");
        assert_eq!(read(&artifacts, "1/run/artifacts/a b.txt", Some(ByteRange { start: 1, end: 3 })).await, b"ell");
        assert_eq!(staged(&artifacts), 0);
    }
}

#[tokio::test]
async fn any_name_that_a_path_may_have_is_kept_as_it_is() {
    for (_folder, artifacts) in stores() {
        let names = ["100%.txt", "a+b=c&d.txt", "grün ~[x]{y}*?.csv", "it's <b>\"q\"^`.md", "long: x@z,;.bin"];
        for name in names {
            let at = ArtifactPath::parse("d").unwrap().join(&path(name));
            artifacts.put(&at, body(&[name.as_bytes()]), None).await.unwrap();
            let kept: Vec<Bytes> = artifacts.get(&at).await.unwrap().bytes(None).try_collect().await.unwrap();
            assert_eq!(kept.concat(), name.as_bytes());
        }
        let mut listed: Vec<String> =
            artifacts.list(&path("d")).await.unwrap().into_iter().map(|entry| entry.name).collect();
        listed.sort();
        let mut names = names.map(str::to_owned);
        names.sort();
        assert_eq!(listed, names);
    }
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    for (_folder, artifacts) in stores() {
        artifacts.put(&path("empty"), body(&[]), None).await.unwrap();
        assert_eq!(artifacts.get(&path("empty")).await.unwrap().size(), 0);
        assert_eq!(read(&artifacts, "empty", None).await, b"");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_damaged_leaves_the_old_file() {
    for (_folder, artifacts) in stores() {
        artifacts.put(&path("f"), body(&[b"old"]), None).await.unwrap();
        let broken = futures::stream::iter([Ok(Bytes::from_static(b"ne")), Err("connection reset")]);
        let error = artifacts.put(&path("f"), broken, None).await.unwrap_err();
        assert_eq!(error.to_string(), "the upload of `f` broke off: connection reset; send it again");
        let wrong = Some(Digest([0; 32]));
        let error = artifacts.put(&path("f"), body(&[b"new"]), wrong).await.unwrap_err();
        assert!(matches!(error, ArtifactError::Damaged { .. }), "{error}");
        assert_eq!(read(&artifacts, "f", None).await, b"old");
        assert_eq!(staged(&artifacts), 0);
    }
}

/// A server gives up what it does for a client that is gone, at any point.
#[tokio::test]
async fn an_upload_that_nobody_waits_for_any_more_leaves_the_old_file() {
    for (_folder, artifacts) in stores() {
        artifacts.put(&path("f"), body(&[b"old"]), None).await.unwrap();
        for size in [1, 20 << 20] {
            let begun = futures::stream::iter([Ok::<_, Infallible>(Bytes::from(vec![1; size]))]);
            let stalled = begun.chain(futures::stream::pending());
            let at = path("f");
            let putting = artifacts.put(&at, Box::pin(stalled), None);
            assert!(tokio::time::timeout(Duration::from_millis(500), putting).await.is_err());
        }
        // What was begun goes on by itself, to its end.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(read(&artifacts, "f", None).await, b"old");
        assert_eq!(staged(&artifacts), 0);
    }
}

#[tokio::test]
async fn large_files_go_in_parts_and_come_by_ranges() {
    let content: Vec<u8> = (0..20_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (_folder, artifacts) in stores() {
        let pieces = content.chunks(300_001).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
        let stored = artifacts.put(&path("d/large"), futures::stream::iter(pieces), None).await.unwrap();
        assert_eq!(stored.size, 20 << 20);
        assert!(read(&artifacts, "d/large", None).await == content);
        for (start, end) in [(0, 0), (4_194_303, 4_194_304), (5, 20_971_519), (20_971_519, 20_971_519)] {
            let range = Some(ByteRange { start, end });
            let wanted = &content[start as usize..=end as usize];
            assert!(read(&artifacts, "d/large", range).await == wanted, "{start}-{end}");
        }
    }
}

#[tokio::test]
async fn a_reader_never_gets_bytes_of_two_files() {
    for (_folder, artifacts) in stores() {
        artifacts.put(&path("f"), body(&[b"old"]), None).await.unwrap();
        let opened = artifacts.get(&path("f")).await.unwrap();
        let tag = opened.tag();
        assert!(tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"') && !tag[1..tag.len() - 1].contains('"'));
        artifacts.put(&path("f"), body(&[b"newer"]), None).await.unwrap();
        let pieces: io::Result<Vec<Bytes>> = opened.bytes(None).try_collect().await;
        // A folder still has the file that was opened; a store says that it is another one now.
        assert!(pieces.map_or(artifacts.objects.is_some(), |pieces| pieces.concat() == b"old"));
        assert_ne!(artifacts.get(&path("f")).await.unwrap().tag(), tag);
    }
}

#[tokio::test]
async fn folders_are_listed_by_name_and_files_as_nothing() {
    for (_folder, artifacts) in stores() {
        for at in ["d/z.txt", "d/sub/x", "d/a.txt", "dd/other"] {
            artifacts.put(&path(at), body(&[b"12"]), None).await.unwrap();
        }
        let entry = |name: &str, size| ArtifactEntry { name: name.to_owned(), size };
        let listed = artifacts.list(&path("d")).await.unwrap();
        assert_eq!(listed, [entry("a.txt", Some(2)), entry("sub", None), entry("z.txt", Some(2))]);
        assert_eq!(artifacts.list(&path("")).await.unwrap(), [entry("d", None), entry("dd", None)]);
        for nothing in ["d/a.txt", "d/a.txt/x", "absent"] {
            assert_eq!(artifacts.list(&path(nothing)).await.unwrap(), [], "{nothing}");
        }
    }
}

/// The store lists ten a page.
#[tokio::test]
async fn listings_and_deletions_of_many_files_are_whole() {
    for (_folder, artifacts) in stores() {
        for number in 0..34 {
            artifacts.put(&path(&format!("d/{number:02}")), body(&[b"1"]), None).await.unwrap();
        }
        let listed = artifacts.list(&path("d")).await.unwrap();
        assert_eq!((listed.len(), listed[33].name.as_str()), (34, "33"));
        artifacts.delete(&path("d")).await.unwrap();
        assert_eq!(artifacts.list(&path("")).await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_is_not_a_file_says_what_it_is() {
    for (_folder, artifacts) in stores() {
        artifacts.put(&path("d/f"), body(&[b"1"]), None).await.unwrap();
        let told = async |at: &str| artifacts.get(&path(at)).await.unwrap_err().to_string();
        assert_eq!(told("absent").await, "No such artifact: 'absent'");
        assert_eq!(told("d/f/below").await, "No such artifact: 'd/f/below'");
        assert_eq!(told("d").await, "Artifact path refers to a directory, not a file: 'd'");
        assert_eq!(told("").await, "Artifact path refers to a directory, not a file: ''");
        let over = async |at: &str| artifacts.put(&path(at), body(&[b"1"]), None).await.unwrap_err().to_string();
        assert_eq!(over("d").await, "artifact `d` cannot be stored: a folder has its name; choose another name");
        assert!(over("d/f/below").await.contains("a file has the name of one of its folders"));
        assert_eq!(staged(&artifacts), 0);
    }
}

#[tokio::test]
async fn deleting_takes_files_and_folders_and_may_be_repeated() {
    for (_folder, artifacts) in stores() {
        for at in ["d/f", "d/sub/g", "dd/g", "h"] {
            artifacts.put(&path(at), body(&[b"1"]), None).await.unwrap();
        }
        for at in ["d/f", "d/f", "d", "d", "absent"] {
            artifacts.delete(&path(at)).await.unwrap();
        }
        assert_eq!(artifacts.list(&path("")).await.unwrap().len(), 2);
        assert!(artifacts.delete(&path("")).await.is_err());
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_so_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = in_bucket(folder.path(), "no-such-bucket");
    let error = artifacts.put(&path("f"), body(&[b"1"]), None).await.unwrap_err().to_string();
    assert!(error.starts_with("could not ") && error.contains("artifact `f`"), "{error}");
    assert!(error.contains("look whether the store of artifacts can be reached"), "{error}");
}

/// Parts that came survive a restart; what is in the store is there under its own name, and nothing else.
#[tokio::test]
async fn keys_are_paths_below_the_prefix() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), TestMoto::shared().bucket());
    let artifacts = in_bucket(folder.path(), &bucket);
    artifacts.put(&path("1/r/artifacts/f.txt"), body(&[b"x"]), None).await.unwrap();
    let upload = artifacts.begin_parts(&path("1/r/artifacts/g.txt")).await.unwrap();
    let part = artifacts.put_part(&upload, 1, body(&[b"part"])).await.unwrap();
    let restarted = in_bucket(folder.path(), &bucket);
    assert_eq!(TestMoto::shared().keys(&bucket, ""), ["mlflow/prod/1/r/artifacts/f.txt"]);
    let receipt = PartReceipt { number: 1, digest: part.digest };
    restarted.complete_parts(&upload, &path("1/r/artifacts/g.txt"), vec![receipt]).await.unwrap();
    assert_eq!(TestMoto::shared().get(&bucket, "mlflow/prod/1/r/artifacts/g.txt").unwrap(), b"part");
    assert_eq!(std::fs::read_dir(folder.path().join("parts")).unwrap().count(), 0);
    // A bucket as a whole is a place, too.
    let whole = below(folder.path(), &bucket, "");
    assert_eq!(whole.list(&path("")).await.unwrap(), [ArtifactEntry { name: "mlflow".to_owned(), size: None }]);
    assert_eq!(read(&whole, "mlflow/prod/1/r/artifacts/f.txt", None).await, b"x");
    whole.put(&path("top"), body(&[b"1"]), None).await.unwrap();
    assert_eq!(TestMoto::shared().get(&bucket, "top").unwrap(), b"1");
}

#[cfg(unix)]
#[tokio::test]
async fn links_lead_nowhere() {
    let (folder, artifacts) = store();
    std::fs::write(folder.path().join("secret"), "s").unwrap();
    artifacts.put(&path("d/f"), body(&[b"1"]), None).await.unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), folder.path().join("artifacts/files/d/link")).unwrap();
    assert!(matches!(artifacts.get(&path("d/link")).await, Err(ArtifactError::Missing { .. })));
    assert_eq!(artifacts.list(&path("d")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn parts_in_any_order_become_one_file() {
    for (_folder, artifacts) in stores() {
        let target = path("big");
        let upload = artifacts.begin_parts(&target).await.unwrap();
        let second = artifacts.put_part(&upload, 2, body(&[b"world"])).await.unwrap();
        artifacts.put_part(&upload, 1, body(&[b"broken"])).await.unwrap();
        let first = artifacts.put_part(&upload, 1, body(&[b"hello "])).await.unwrap();
        let receipt = |number, stored: Stored| PartReceipt { number, digest: stored.digest };
        let other = path("other");
        let stranger = artifacts.complete_parts(&upload, &other, vec![receipt(1, first)]).await;
        assert!(matches!(stranger, Err(ArtifactError::Parts { .. })));
        let swapped = artifacts.complete_parts(&upload, &target, vec![receipt(1, second), receipt(2, first)]).await;
        assert!(matches!(swapped, Err(ArtifactError::Parts { .. })));
        assert!(matches!(artifacts.get(&target).await, Err(ArtifactError::Missing { .. })));
        let parts = vec![receipt(2, second), receipt(1, first)];
        let stored = artifacts.complete_parts(&upload, &target, parts).await.unwrap();
        // echo -n 'hello world' | sha256sum
        let sum = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        assert_eq!((stored.size, stored.digest.to_string()), (11, sum.to_owned()));
        assert_eq!(read(&artifacts, "big", None).await, b"hello world");
        assert!(artifacts.put_part(&upload, 1, body(&[b"late"])).await.is_err());
        artifacts.abort_parts(&upload).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_range_of_any_file_is_that_of_its_bytes(content in prop::collection::vec(any::<u8>(), 1..600_000), cut in any::<(u32, u32)>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (start, end) = (cut.0 as usize % content.len(), cut.1 as usize % content.len());
        let (start, end) = (start.min(end), start.max(end));
        let read = runtime.block_on(async {
            let (_folder, artifacts) = store();
            artifacts.put(&path("f"), body(&[&content]), None).await.unwrap();
            read(&artifacts, "f", Some(ByteRange { start: start as u64, end: end as u64 })).await
        });
        prop_assert_eq!(&read[..], &content[start..=end]);
    }
}
