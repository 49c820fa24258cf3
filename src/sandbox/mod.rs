//! A stateful stand-in of the upstreams on loopback.

mod world;

pub use self::world::World;
