//! The fleet's view, for the head office: what the broker keeps of every gate, as a table and as one page. It subscribes and
//! never publishes.

pub mod anchors;
pub mod collect;
pub mod page;
pub mod rows;
pub mod table;
pub mod wilson;
