//! The engine with programs of other projects.

mod pool_units;
