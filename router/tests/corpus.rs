//! Replays the corpus of the fuzz targets (`fuzz/corpus`), so that what they once found stays repaired.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic, in its helpers too")]

#[path = "../../fuzz/src/front.rs"]
mod front;
#[path = "../../fuzz/src/operator.rs"]
mod operator;
#[path = "../../fuzz/src/targets.rs"]
mod targets;
#[path = "../../fuzz/src/wire.rs"]
mod wire;

use std::path::Path;

#[test]
fn inputs_of_the_corpus_find_nothing() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let inputs = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        for input in inputs {
            let path = input.unwrap().path();
            println!("{}", path.display());
            target(&std::fs::read(path).unwrap());
        }
    }
}
