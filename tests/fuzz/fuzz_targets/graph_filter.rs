//! The text of a graph filter: whatever it is, it is refused at one of its characters, or understood; and then what is
//! printed means the same. The first byte chooses the node.
//!
//! ```sh
//! cargo install cargo-fuzz
//! cd tests/fuzz && mkdir -p corpus/graph_filter
//! cargo +nightly fuzz run --fuzz-dir . graph_filter corpus/graph_filter seeds/graph_filter -- -max_total_time=120
//! ```
//!
//! Found texts go to `corpus/` and `artifacts/`, which are not kept. Only the values that the graph is made of are
//! compiled, not the server: instrumenting all it is built from takes long and finds nothing here.

#![no_main]

/// As much of the house's values as the graph needs.
#[allow(dead_code, unused_imports)]
#[path = "../../../src/model"]
mod model {
    pub mod graph;
    pub mod id;
    pub mod time;
}

use libfuzzer_sys::fuzz_target;
use model::graph::{
    Node,
    filter::{MAX_LENGTH, parse, print},
};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let node = Node::ALL[usize::from(*first) % Node::ALL.len()];
    match parse(node, text) {
        Err(fault) => assert!((1..=text.chars().count() + 1).contains(&fault.at), "{fault}"),
        Ok(condition) => {
            let printed = print(&condition);
            // times and blanks may take more room than they did
            if printed.len() <= MAX_LENGTH {
                assert_eq!(parse(node, &printed), Ok(condition), "{printed}");
            }
        }
    }
});
