//! Files go in and out whole, or not at all.

use std::convert::Infallible;

use futures::TryStreamExt as _;
use proptest::prelude::*;

use super::*;

fn store() -> (tempfile::TempDir, ArtifactStore) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = ArtifactStore::open(folder.path().join("artifacts"));
    (folder, artifacts)
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
    let (_folder, artifacts) = store();
    let stored = artifacts.put(&path("1/run/artifacts/a b.txt"), body(&[b"hel", b"lo"]), None).await.unwrap();
    // echo -n hello | sha256sum
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!((stored.size, stored.digest.to_string()), (5, sum.to_owned()));
    assert_eq!(read(&artifacts, "1/run/artifacts/a b.txt", None).await, b"hello");
    assert_eq!(read(&artifacts, "1/run/artifacts/a b.txt", Some(ByteRange { start: 1, end: 3 })).await, b"ell");
    assert_eq!(staged(&artifacts), 0);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let (_folder, artifacts) = store();
    artifacts.put(&path("empty"), body(&[]), None).await.unwrap();
    assert_eq!(artifacts.get(&path("empty")).await.unwrap().size(), 0);
    assert_eq!(read(&artifacts, "empty", None).await, b"");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_damaged_leaves_the_old_file() {
    let (_folder, artifacts) = store();
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

#[tokio::test]
async fn a_reader_keeps_the_file_that_it_opened() {
    let (_folder, artifacts) = store();
    artifacts.put(&path("f"), body(&[b"old"]), None).await.unwrap();
    let opened = artifacts.get(&path("f")).await.unwrap();
    let tag = opened.tag();
    artifacts.put(&path("f"), body(&[b"newer"]), None).await.unwrap();
    let pieces: Vec<Bytes> = opened.bytes(None).try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"old");
    assert_ne!(artifacts.get(&path("f")).await.unwrap().tag(), tag);
}

#[tokio::test]
async fn folders_are_listed_by_name_and_files_as_nothing() {
    let (_folder, artifacts) = store();
    for at in ["d/z.txt", "d/sub/x", "d/a.txt"] {
        artifacts.put(&path(at), body(&[b"12"]), None).await.unwrap();
    }
    let entry = |name: &str, size| ArtifactEntry { name: name.to_owned(), size };
    let listed = artifacts.list(&path("d")).await.unwrap();
    assert_eq!(listed, [entry("a.txt", Some(2)), entry("sub", None), entry("z.txt", Some(2))]);
    assert_eq!(artifacts.list(&path("")).await.unwrap(), [entry("d", None)]);
    for nothing in ["d/a.txt", "d/a.txt/x", "absent"] {
        assert_eq!(artifacts.list(&path(nothing)).await.unwrap(), [], "{nothing}");
    }
}

#[tokio::test]
async fn what_is_not_a_file_says_what_it_is() {
    let (_folder, artifacts) = store();
    artifacts.put(&path("d/f"), body(&[b"1"]), None).await.unwrap();
    let told = async |at: &str| artifacts.get(&path(at)).await.unwrap_err().to_string();
    assert_eq!(told("absent").await, "No such artifact: 'absent'");
    assert_eq!(told("d/f/below").await, "No such artifact: 'd/f/below'");
    assert_eq!(told("d").await, "Artifact path refers to a directory, not a file: 'd'");
    let over = async |at: &str| artifacts.put(&path(at), body(&[b"1"]), None).await.unwrap_err().to_string();
    assert_eq!(over("d").await, "artifact `d` cannot be stored: a folder has its name; choose another name");
    assert!(over("d/f/below").await.contains("a file has the name of one of its folders"));
    assert_eq!(staged(&artifacts), 0);
}

#[tokio::test]
async fn deleting_takes_files_and_folders_and_may_be_repeated() {
    let (_folder, artifacts) = store();
    for at in ["d/f", "d/sub/g", "h"] {
        artifacts.put(&path(at), body(&[b"1"]), None).await.unwrap();
    }
    for at in ["d/f", "d/f", "d", "d", "absent"] {
        artifacts.delete(&path(at)).await.unwrap();
    }
    assert_eq!(artifacts.list(&path("")).await.unwrap().len(), 1);
    assert!(artifacts.delete(&path("")).await.is_err());
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
    let (_folder, artifacts) = store();
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
    let stored = artifacts.complete_parts(&upload, &target, vec![receipt(2, second), receipt(1, first)]).await.unwrap();
    // echo -n 'hello world' | sha256sum
    let sum = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    assert_eq!((stored.size, stored.digest.to_string()), (11, sum.to_owned()));
    assert_eq!(read(&artifacts, "big", None).await, b"hello world");
    assert!(artifacts.put_part(&upload, 1, body(&[b"late"])).await.is_err());
    artifacts.abort_parts(&upload).await.unwrap();
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
