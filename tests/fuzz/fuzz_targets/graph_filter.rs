//! The text of a graph filter: whatever it is, it is refused at one of its characters, or understood; and then what is
//! printed means the same. The first byte chooses the node.

#![no_main]

use keyward::model::graph::{
    Node,
    filter::{MAX_LENGTH, parse, print},
};
use libfuzzer_sys::fuzz_target;

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
