//! A stateful stand-in of the upstreams on loopback.
