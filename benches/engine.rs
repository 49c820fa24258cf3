//! The engine's parts, without a process, a server or a network: decode, hash, plan, apply.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use zerkalo::{
    engine::{
        Index, Plan, Planner, Table,
        frame::{BadFrame, Framer, Shape},
        hash::Recipe,
        planner::Settings,
        record::Record,
    },
    store::{Access, Database, Receipt, Store},
    tables::PRODUCT,
};

#[path = "whole/products.rs"]
mod products;

use products::{Day, products};

const ROWS: u64 = 10_000;
const TABLE: &Table = &PRODUCT.table;

/// The records of the answer, one by one.
fn records() -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut framer = Framer::new(Shape::List);
    framer
        .feed(&products(ROWS, Day::First), |record| {
            records.push(record.to_vec());
            Ok::<(), BadFrame>(())
        })
        .expect("a list");
    records
}

fn planner(index: Index) -> Planner {
    let settings = Settings {
        dropped: &[],
        verify: false,
        spool_directory: std::env::temp_dir(),
        spool_memory: 64 << 20,
        remember: Vec::new(),
    };
    let mut planner = Planner::new(TABLE, settings, index);
    planner.answer("");
    planner
}

fn plan(records: &[Vec<u8>], index: Index) -> Plan {
    let mut planner = planner(index);
    for record in records {
        planner.record(record, &[]).expect("a good record");
    }
    planner.finish(|_| None).0
}

fn parts(criterion: &mut Criterion) {
    let answer = products(ROWS, Day::First);
    let records = records();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(ROWS)).sample_size(20);
    group.bench_function("frame", |bencher| {
        bencher.iter(|| {
            let mut framer = Framer::new(Shape::List);
            let mut count = 0;
            for chunk in answer.chunks(1 << 16) {
                framer.feed(chunk, |_| {
                    count += 1;
                    Ok::<(), BadFrame>(())
                })?;
            }
            framer.finish().map(|_| count)
        });
    });
    let mut record = Record::default();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| records.iter().for_each(|bytes| record.read(bytes).expect("a good record")));
    });
    let recipe = Recipe::new(TABLE, &[]);
    group.bench_function("hash", |bencher| {
        bencher.iter(|| (0..ROWS).fold(0, |sum, _| sum ^ recipe.hash(black_box(&record), &[])[0]));
    });
    group.bench_function("plan, all new", |bencher| bencher.iter(|| plan(&records, Index::default())));
    group.finish();
}

fn sqlite(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let records = records();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bench.db");
    let database = Database::new(&path.display().to_string().into(), "", 2000);
    let open = || {
        runtime.block_on(async {
            let mut store = database.connect(Access::Write).await.expect("a file");
            let index = store.prepare(&[TABLE], false).await.expect("a schema").indexes.remove(0);
            (store, index)
        })
    };
    let apply = |store: &mut Box<dyn Store>, mut plan: Plan| {
        let receipt =
            Receipt { run_id: uuid::Uuid::nil(), now: chrono::DateTime::UNIX_EPOCH, log: &[], reading: None };
        runtime.block_on(store.apply(&mut plan, receipt)).expect("applied")
    };
    let mut group = criterion.benchmark_group("sqlite");
    group.throughput(Throughput::Elements(ROWS)).sample_size(10);
    group.bench_function("apply, all new", |bencher| {
        let fresh = || {
            for end in ["", "-wal", "-shm"] {
                // There is none the first time.
                let _ = std::fs::remove_file(format!("{}{end}", path.display()));
            }
            let (store, index) = open();
            (store, plan(&records, index))
        };
        bencher.iter_batched(fresh, |(mut store, plan)| apply(&mut store, plan), BatchSize::PerIteration);
    });
    group.bench_function("index and plan, unchanged", |bencher| {
        bencher.iter(|| {
            let (_store, index) = open();
            plan(&records, index)
        });
    });
    group.finish();
}

criterion_group!(benches, parts, sqlite);
criterion_main!(benches);
