//! The world behind its lock, with the whole lists that were rendered from it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write as _},
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
    ledger: Option<File>,
    /// How many lines of the ledger are in the file.
    written: usize,
}

impl Stage {
    /// A stage with `world` on it, whose ledger also goes to a file.
    pub(super) fn new(world: World, ledger: Option<File>) -> Self {
        Self(Mutex::new(Scene { world, rendered: HashMap::new(), ledger, written: 0 }))
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
        let Scene { world, rendered, .. } = &mut *self.0;
        match key {
            None => render(world),
            Some(key) => rendered.entry(key).or_insert_with(|| render(world)).clone(),
        }
    }
}

impl Scene {
    /// Appends the new lines of the ledger to its file and waits for the disk: whoever counts moves reads
    /// there what was done, whatever became of the processes.
    fn write_ledger(&mut self) -> io::Result<()> {
        let ledger = self.world.ledger();
        let written = std::mem::replace(&mut self.written, ledger.len());
        let Some(file) = &mut self.ledger else { return Ok(()) };
        for line in ledger.iter().skip(written) {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.sync_data()?;
        }
        Ok(())
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        // As with the journal: a full disk must not stop the stand-in.
        if let Err(error) = self.0.write_ledger() {
            tracing::warn!("sandbox ledger: {error}");
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
