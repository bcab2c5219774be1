//! Reads batches of images ahead of their use, on a thread of its own, so that decoding overlaps computing.
//!
//! The order of the batches is the caller's and does not depend on the thread. Dropping the reader ends the thread within one batch.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::domain::dataset::ImageShape;
use crate::domain::dataset::{ImageBatch, ImageSource};
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};

/// Batches that may wait, decoded, for the consumer.
const AHEAD: usize = 2;

/// What is done to a decoded batch on the reader's thread: the batch's number (from 0) and its positions come along.
pub(crate) type Prepare = Box<dyn FnMut(usize, &[usize], ImageBatch) -> ImageBatch + Send>;

#[derive(Debug)]
pub(crate) struct BatchReader {
    batches: Option<Receiver<Result<ImageBatch>>>,
    thread: Option<JoinHandle<()>>,
}

impl BatchReader {
    /// Starts reading the batches of positions that `order` yields.
    pub(crate) fn start(
        source: Arc<dyn ImageSource>,
        preprocessing: &Preprocessing,
        order: Box<dyn Iterator<Item = Vec<usize>> + Send>,
        mut prepare: Prepare,
    ) -> Result<Self> {
        let Preprocessing { height, width, channels, resize, .. } = *preprocessing;
        let shape = ImageShape { height, width, channels };
        let (sender, batches) = sync_channel(AHEAD - 1);
        let read = move || {
            for (number, positions) in order.enumerate() {
                let batch = source.read(&positions, shape, resize);
                let batch = batch.map(|batch| prepare(number, &positions, batch));
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("image-reader".into()).spawn(read);
        let thread = thread.map_err(|error| Error::internal("failed to start a reader thread").with_source(error))?;
        Ok(Self { batches: Some(batches), thread: Some(thread) })
    }

    /// The next batch; `None` after the last one.
    ///
    /// # Errors
    /// The source's. `READER_LOST` if its thread died.
    pub(crate) fn next(&mut self) -> Result<Option<ImageBatch>> {
        match self.batches.as_ref().map(Receiver::recv) {
            Some(Ok(batch)) => batch.map(Some),
            Some(Err(_)) => self.join().map(|()| None),
            None => Ok(None),
        }
    }

    /// Waits for the thread, which no longer has anybody to send to.
    fn join(&mut self) -> Result<()> {
        self.batches = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::internal("the reader thread died while decoding images")),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl Drop for BatchReader {
    fn drop(&mut self) {
        // A panic of the thread has been reported by `next`, or nobody asked.
        let _ = self.join();
    }
}

/// Leaves batches as they are.
pub(crate) fn as_decoded() -> Prepare {
    Box::new(|_, _, batch| batch)
}

/// `0..count` in batches of at most `size`.
pub(crate) fn consecutive(count: usize, size: usize) -> Box<dyn Iterator<Item = Vec<usize>> + Send> {
    Box::new((0..count).step_by(size).map(move |start| (start..count.min(start + size)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::testing::{ToySource, preprocessing};

    #[test]
    fn batches_come_in_the_order_asked_for() {
        let source: Arc<dyn ImageSource> = Arc::new(ToySource::new(10, 3, 1));
        let order = vec![vec![4, 2], vec![9], vec![0, 1, 2]];
        let mut reader =
            BatchReader::start(source.clone(), &preprocessing(), Box::new(order.clone().into_iter()), as_decoded())
                .unwrap();
        for positions in &order {
            assert_eq!(reader.next().unwrap().unwrap().count, positions.len());
        }
        assert!(reader.next().unwrap().is_none());
        assert!(reader.next().unwrap().is_none());
    }

    #[test]
    fn an_unread_reader_ends_when_dropped() {
        let source: Arc<dyn ImageSource> = Arc::new(ToySource::new(1000, 3, 1));
        drop(BatchReader::start(source, &preprocessing(), consecutive(1000, 1), as_decoded()).unwrap());
    }

    #[test]
    fn consecutive_covers_everything_once() {
        let all: Vec<usize> = consecutive(10, 4).flatten().collect();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(consecutive(10, 4).last().unwrap(), [8, 9]);
    }
}
