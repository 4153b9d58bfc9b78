//! DataLoaders: reads for many objects at once.

use async_graphql::dataloader::DataLoader;
use futures::future::BoxFuture;
use std::time::Duration;

/// How long a loader waits for more keys.
const WINDOW: Duration = Duration::from_millis(1);
/// How often it lets the operation go on meanwhile. Of a list of more than 30 entries 32 are polled in a turn, so that a page
/// of 100 takes four, and lists in lists more: a batch must not end between two of them because the machine is busy.
const TURNS: usize = 16;

/// A loader that reads no more than `most` keys by one statement. It waits a moment for more keys, by the runtime's timer:
/// unlike that of a thread apart it does not cut a batch while the operation that fills it is at work.
pub fn batching<T>(loader: T, most: usize) -> DataLoader<T> {
    let spawn = |load: BoxFuture<'static, ()>| {
        tokio::spawn(async {
            tokio::time::sleep(WINDOW).await;
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            load.await;
        })
    };
    DataLoader::new(loader, spawn).delay(Duration::ZERO).max_batch_size(most)
}
