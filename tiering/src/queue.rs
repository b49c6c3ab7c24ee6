//! The queue of requests, from threads that run WebAssembly to compile threads.
//!
//! The queue has four lanes, each a lock-free [`SegQueue`], and one [`channel`] of tokens for
//! blocking, waking and closing. It has lanes and not a heap because policies tell urgent from not,
//! but their figures are not worth a total order, and because a push must be cheap: it happens on a
//! thread that runs WebAssembly.
//!
//! Protocol: a job is pushed to its lane *before* its token is sent, and a worker that has received
//! a token pops exactly one job. So the lanes never hold fewer jobs than there are tokens, and the
//! pop after a token finds a job, though perhaps a more urgent one than the token was sent for.

#[cfg(all(test, loom))]
mod models;

use std::sync::PoisonError;

use crate::policy::Lane;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{AtomicBool, Condvar, Mutex, Ordering, SegQueue, spin_loop};

/// A closable queue of jobs in lanes.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    lanes: [SegQueue<J>; Lane::ALL.len()],
    tokens: Sender<()>,
    token_receiver: Receiver<()>,
    /// Set once, by the thread that closes the queue, with release and before it sends the waking
    /// tokens. Read with acquire. A worker that takes a job after it was set cancels the job.
    closed: AtomicBool,
    /// Jobs pushed and not [done](Self::done), for [`wait_idle`](Self::wait_idle).
    unfinished: Mutex<usize>,
    finished: Condvar,
    cap: usize,
}

/// What a worker is told to do next.
#[derive(Debug)]
pub(crate) enum Order<J> {
    /// Do this job.
    Work(J),
    /// End: the queue is closed.
    Quit,
}

impl<J> Queue<J> {
    /// A queue that holds at most `cap` jobs (a few more if threads push at the same moment).
    pub(crate) fn new(cap: usize) -> Self {
        let (tokens, token_receiver) = channel::unbounded();
        Self {
            lanes: Default::default(),
            tokens,
            token_receiver,
            closed: AtomicBool::new(false),
            unfinished: Mutex::new(0),
            finished: Condvar::new(),
            cap,
        }
    }

    /// The number of jobs that wait.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(SegQueue::len).sum()
    }

    /// Adds a job to a lane.
    ///
    /// # Errors
    ///
    /// The job itself, if the queue is full or closed.
    pub(crate) fn push(&self, lane: Lane, job: J) -> Result<(), J> {
        if self.is_closed() || self.len() >= self.cap {
            return Err(job);
        }
        *self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += 1;
        self.lanes[lane as usize].push(job);
        self.tokens
            .send(())
            .expect("the queue itself holds a receiver");
        Ok(())
    }

    /// Waits for a job and takes it from the first lane that has one.
    pub(crate) fn pop(&self) -> Order<J> {
        self.token_receiver
            .recv()
            .expect("the queue itself holds a sender");
        if self.is_closed() {
            return Order::Quit;
        }
        let job = self.lanes.iter().find_map(SegQueue::pop);
        // Another worker may have taken the job that this token was sent for, while the job that is
        // left was pushed to a lane that this thread had already passed: search all lanes again.
        job.or_else(|| self.search())
            .map_or(Order::Quit, Order::Work)
    }

    /// Takes a job without waiting; `None` if there is none.
    pub(crate) fn try_pop(&self) -> Option<J> {
        self.token_receiver.try_recv().ok()?;
        self.search()
    }

    /// Repeats until a job is found or the queue is closed. The caller has received a token.
    fn search(&self) -> Option<J> {
        loop {
            if let Some(job) = self.lanes.iter().find_map(SegQueue::pop) {
                return Some(job);
            }
            if self.is_closed() {
                return None;
            }
            spin_loop();
        }
    }

    /// Reports that a popped job needs no more work.
    pub(crate) fn done(&self) {
        let mut unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *unfinished -= 1;
        if *unfinished == 0 {
            self.finished.notify_all();
        }
    }

    /// Waits until every pushed job is done, or the queue is closed.
    pub(crate) fn wait_idle(&self) {
        let mut unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while *unfinished > 0 && !self.is_closed() {
            unfinished = self
                .finished
                .wait(unfinished)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Makes further pushes fail.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Wakes that many workers of the closed queue so that they quit, and returns the jobs left in
    /// it.
    pub(crate) fn dismiss(&self, workers: usize) -> Vec<J> {
        for _ in 0..workers {
            self.tokens
                .send(())
                .expect("the queue itself holds a receiver");
        }
        let _unfinished = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.finished.notify_all();
        std::iter::from_fn(|| self.lanes.iter().find_map(SegQueue::pop)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    fn popped(queue: &Queue<u32>) -> u32 {
        match queue.pop() {
            Order::Work(job) => job,
            Order::Quit => panic!("the queue is open"),
        }
    }

    #[test]
    fn better_lanes_first_and_fifo_inside() {
        let queue = Queue::new(10);
        for (lane, job) in [
            (Lane::Low, 1),
            (Lane::Normal, 2),
            (Lane::Urgent, 3),
            (Lane::Normal, 4),
            (Lane::High, 5),
        ] {
            queue.push(lane, job).unwrap();
        }
        let order: Vec<u32> = (0..5).map(|_| popped(&queue)).collect();
        assert_eq!(order, [3, 5, 2, 4, 1]);
    }

    #[test]
    fn a_full_or_closed_queue_refuses() {
        let queue = Queue::new(2);
        queue.push(Lane::Normal, 1).unwrap();
        queue.push(Lane::Normal, 2).unwrap();
        assert_eq!(queue.push(Lane::Urgent, 3), Err(3));
        queue.close();
        assert_eq!(queue.dismiss(1), [1, 2]);
        assert_eq!(queue.push(Lane::Urgent, 4), Err(4));
        assert!(matches!(queue.pop(), Order::Quit));
    }

    /// Every job is taken exactly once, with several threads that push and several that pop.
    #[test]
    fn hammer_push_and_pop() {
        const JOBS: u64 = 4_000;
        let queue = Queue::new(usize::MAX);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Order::Work(job) = queue.pop() {
                        sum.fetch_add(job, Ordering::Relaxed);
                        queue.done();
                    }
                });
            }
            let pushers: Vec<_> = (0..2)
                .map(|pusher| {
                    let queue = &queue;
                    scope.spawn(move || {
                        for n in (pusher..JOBS).step_by(2) {
                            let lane = Lane::ALL[n as usize % Lane::ALL.len()];
                            queue.push(lane, n).unwrap();
                        }
                    })
                })
                .collect();
            pushers
                .into_iter()
                .for_each(|pusher| pusher.join().unwrap());
            queue.wait_idle();
            queue.close();
            queue.dismiss(3);
        });
        assert_eq!(sum.into_inner(), JOBS * (JOBS - 1) / 2);
    }
}
