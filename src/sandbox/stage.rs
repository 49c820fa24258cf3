//! The world behind its lock, with the whole lists that were rendered from it.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;

use super::{lock, world::World};

/// The world and what was rendered from it.
pub(super) struct Stage(Mutex<Scene>);

struct Scene {
    world: World,
    rendered: HashMap<String, Bytes>,
}

impl Stage {
    /// A stage with `world` on it.
    pub(super) fn new(world: World) -> Self {
        Self(Mutex::new(Scene { world, rendered: HashMap::new() }))
    }

    /// The world.
    pub(super) fn world(&self) -> WorldGuard<'_> {
        WorldGuard(lock(&self.0))
    }
}

/// The world, locked. Whoever borrows it mutably makes the next answers be rendered anew.
pub struct WorldGuard<'a>(MutexGuard<'a, Scene>);

impl WorldGuard<'_> {
    /// The answer that `render` makes of the world; under a `key`, an earlier one if nothing was edited
    /// since. Large lists are asked for many times in measurements, which should not measure the stand-in.
    pub(super) fn rendered(&mut self, key: Option<String>, render: impl FnOnce(&World) -> Bytes) -> Bytes {
        let Scene { world, rendered } = &mut *self.0;
        match key {
            None => render(world),
            Some(key) => rendered.entry(key).or_insert_with(|| render(world)).clone(),
        }
    }
}

impl Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0.world
    }
}

impl DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.0.rendered.clear();
        &mut self.0.world
    }
}
