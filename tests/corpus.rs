//! Replays the corpora of the fuzz targets of the services (`fuzz/corpus`), so that what they once found stays repaired.
//! Those of the router are in `router/tests/corpus.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

#[path = "../fuzz/src/bus.rs"]
mod bus;
#[path = "../fuzz/src/services.rs"]
mod services;
#[path = "../fuzz/src/subgraphs.rs"]
mod subgraphs;

// One test, for both look at what is logged.
#[test]
fn inputs_of_the_corpora_find_nothing() {
    replay("subgraphs", subgraphs::subgraphs);
    replay("bus", bus::bus);
}

fn replay(name: &str, target: fn(&[u8])) {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|input| input.unwrap().path()).collect();
    inputs.sort();
    for path in inputs {
        println!("{}", path.display());
        target(&std::fs::read(path).unwrap());
    }
}
