//! The demo's project is embedded: a change of its files builds the binary again.

fn main() {
    println!("cargo::rerun-if-changed=../../examples/flights");
}
