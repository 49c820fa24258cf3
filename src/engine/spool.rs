//! Where changed rows wait until the answer is complete and the plan accepted: memory first, then an unlinked file.

use super::row::Row;
use crate::{
    error::{Failure, Kind, Result},
    files::own,
};
use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

/// A list of encoded rows, written once and read in the same order.
#[derive(Debug)]
pub struct Spool {
    memory: Vec<u8>,
    memory_limit: usize,
    directory: PathBuf,
    file: Option<BufWriter<File>>,
    rows: u64,
    bytes: u64,
}

impl Spool {
    /// An empty spool that holds up to `memory_limit` bytes in memory and the rest in an unlinked 0600 file in
    /// `directory`, which is created when it is first needed.
    pub fn new(memory_limit: usize, directory: PathBuf) -> Self {
        Self { memory: Vec::new(), memory_limit, directory, file: None, rows: 0, bytes: 0 }
    }

    /// An empty spool like this one.
    pub(super) fn another(&self) -> Self {
        Self::new(self.memory_limit, self.directory.clone())
    }

    /// How many rows it holds.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.memory.clear();
        self.file = None;
        self.rows = 0;
        self.bytes = 0;
    }

    /// Appends a row that [`Row::encode`] wrote. Fails when the state directory cannot hold it.
    pub fn push(&mut self, row: &[u8]) -> Result<()> {
        let length = u32::try_from(row.len()).expect("a row is under 4 GiB").to_le_bytes();
        self.rows += 1;
        self.bytes += row.len() as u64;
        if self.file.is_none() {
            if self.memory.len() + row.len() + length.len() <= self.memory_limit {
                self.memory.extend_from_slice(&length);
                self.memory.extend_from_slice(row);
                return Ok(());
            }
            self.file = Some(BufWriter::with_capacity(1 << 18, self.open()?));
        }
        let file = self.file.as_mut().expect("opened above");
        file.write_all(&length).and_then(|()| file.write_all(row)).map_err(|error| self.failure(error))
    }

    /// Reads all rows from the first.
    pub fn read(&mut self) -> Result<Reader<'_>> {
        let file = match self.file.as_mut() {
            None => None,
            Some(writer) => {
                let copy = writer.flush().and_then(|()| writer.get_ref().try_clone()).and_then(|mut copy| {
                    copy.seek(SeekFrom::Start(0))?;
                    Ok(copy)
                });
                Some(BufReader::with_capacity(1 << 18, copy.map_err(|error| self.failure(error))?))
            }
        };
        Ok(Reader { memory: &self.memory, file, buffer: Vec::new(), left: self.rows })
    }

    fn open(&self) -> Result<File> {
        own::state(&self.directory)
            .and_then(|()| tempfile::tempfile_in(&self.directory))
            .map_err(|error| self.failure(error))
    }

    fn failure(&self, error: std::io::Error) -> Failure {
        Failure::new(Kind::Database, format!("cannot spool changed rows in {}", self.directory.display()))
            .hint("free some disk space there, or set ZERKALO_STATE_DIR to another directory")
            .source(error)
    }
}

/// Reads a spool's rows one after another.
#[derive(Debug)]
pub struct Reader<'a> {
    memory: &'a [u8],
    file: Option<BufReader<File>>,
    buffer: Vec<u8>,
    left: u64,
}

impl Reader<'_> {
    /// The next row, or `None` behind the last one.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        if let Some((length, rest)) = self.memory.split_first_chunk::<4>() {
            let (row, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            self.memory = rest;
            return Ok(Some(Row::decode(row)));
        }
        let file = self.file.as_mut().expect("rows behind the memory are in the file");
        let mut length = [0; 4];
        file.read_exact(&mut length)
            .and_then(|()| {
                self.buffer.resize(u32::from_le_bytes(length) as usize, 0);
                file.read_exact(&mut self.buffer)
            })
            .map_err(|error| Failure::new(Kind::Database, "cannot read spooled rows back").source(error))?;
        Ok(Some(Row::decode(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::row::{Value, push};

    #[test]
    fn rows_come_back_in_order_from_memory_and_file() {
        let directory = tempfile::tempdir().unwrap();
        for limit in [0, 100, 1 << 20] {
            let mut spool = Spool::new(limit, directory.path().join("state"));
            for number in 0..50_i64 {
                let mut values = Vec::new();
                push(&mut values, Value::Int(number));
                let mut row = Vec::new();
                Row::encode(&mut row, &[u8::try_from(number).unwrap(); 16], &values);
                spool.push(&row).unwrap();
            }
            for _ in 0..2 {
                let mut reader = spool.read().unwrap();
                for number in 0..50_i64 {
                    let row = reader.next_row().unwrap().unwrap();
                    assert_eq!(row.values().collect::<Vec<_>>(), [Value::Int(number)], "limit {limit}");
                }
                assert!(reader.next_row().unwrap().is_none());
            }
        }
        assert_eq!(
            std::fs::read_dir(directory.path().join("state")).unwrap().count(),
            0,
            "the file is unlinked"
        );
    }
}
