//! What holds for any content: texts survive, cuts are seen, garbage never brings the process down.

use arrow::array::{AsArray as _, Int64Array, StringArray};
use proptest::prelude::*;

use super::*;

fn parquet_file() -> Vec<u8> {
    parquet_bytes(vec![
        ("n", array(Int64Array::from_iter_values(0..50))),
        ("carrier", array(StringArray::from_iter_values((0..50).map(|n| format!("carrier {}", n % 7))))),
    ])
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn quoted_texts_come_through_csv_as_they_are(rows in prop::collection::vec(("[a-zé\",;\r\n ]{1,12}", "\\PC{1,8}"), 1..20)) {
        let lines = rows.iter().map(|(left, right)| format!("{},{}\r\n", quoted(left), quoted(right)));
        let text = format!("left,right\n{}", lines.collect::<String>());
        let contract = Contract { null_values: Vec::new(), ..contract(&[("left", DataType::Utf8), ("right", DataType::Utf8)]) };
        let outcome = read("a.csv", text, &contract).unwrap();
        let column = |index: usize| -> Vec<String> {
            let columns = outcome.batches.iter().map(|batch| batch.column(index).as_string::<i32>().clone());
            columns.flat_map(|column| column.iter().flatten().map(str::to_owned).collect::<Vec<_>>()).collect()
        };
        prop_assert_eq!(column(0), rows.iter().map(|(left, _)| left.clone()).collect::<Vec<_>>());
        prop_assert_eq!(column(1), rows.iter().map(|(_, right)| right.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_cut_anywhere_is_never_landed(part in 0.0..1.0_f64) {
        let csv = "a,b\n1,2\n".repeat(100);
        for (name, bytes) in [("a.parquet", parquet_file()), ("a.csv.gz", gzip(&csv)), ("a.csv.zst", zstd(&csv))] {
            let cut = (bytes.len() as f64 * part) as usize;
            let outcome = read(name, &bytes[..cut], &Contract::default());
            prop_assert!(outcome.is_err_and(|error| error.is_unit_at_fault()), "{} cut at {}", name, cut);
        }
    }

    #[test]
    fn damaged_bytes_are_an_error_or_rows_but_no_panic(place in 0.0..1.0_f64, byte: u8) {
        let jsonl = "{\"a\":1,\"b\":[\"x\"]}\n".repeat(20);
        let files = [
            ("a.parquet", parquet_file()),
            ("a.csv.gz", gzip("a,b\n1,2\n".repeat(20))),
            ("a.csv", "a,b\n\"1\",2\n".repeat(20).into_bytes()),
            ("a.jsonl", jsonl.into_bytes()),
        ];
        for (name, mut bytes) in files {
            let index = (bytes.len() as f64 * place) as usize;
            bytes[index] = byte;
            let _either = read(name, bytes, &Contract::default());
        }
    }
}
