//! The queue of requests, from threads that run WebAssembly to compile threads.
//!
//! A push happens on a thread that runs WebAssembly, so it takes no lock: the job goes into an
//! inbox, a lock-free [`SegQueue`], and a token into a [`channel`] for blocking, waking and
//! closing. Which job is next is the compile threads' affair: under a lock of their own they empty
//! the inbox into a list and let the [`Discipline`] choose.
//!
//! - `discipline`: what a discipline is, and what it sees;
//! - `builtin`: the built-in ones;
//! - `guard`: what keeps their panics from compile threads;
//! - `urgency`: the urgency of a function's latest request.
//!
//! Protocol: a job is pushed to the inbox *before* its token is sent, and a worker that has a token
//! takes exactly one job, under the lock, after it has emptied the inbox. So inbox and list never
//! hold fewer jobs than there are tokens, and a worker with a token finds a job, though perhaps
//! another one than the token was sent for.

mod builtin;
mod discipline;
mod guard;
#[cfg(all(test, loom))]
mod models;
mod urgency;

use std::sync::{Arc, PoisonError};

use upshift_profiler::Nanos;

pub(crate) use builtin::DISCIPLINE;
pub use builtin::{
    Benefit, Density, Fifo, Hottest, Lanes, Lifo, Random, Shortest, V8Prio, builtin, default,
    from_spec,
};
pub use discipline::{Discipline, Figures, Next, Waiting, next};
pub(crate) use guard::Guarded;
pub(crate) use urgency::Urgency;

use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, SegQueue};

/// A job in a [`Queue`].
pub(crate) trait Waits {
    /// The request that the job stands for.
    fn waiting(&self) -> Waiting;

    /// Brings age, urgency and figures up to date.
    fn look(&self, waiting: &mut Waiting);
}

/// A closable queue of jobs, whose order a discipline decides.
#[derive(Debug)]
pub(crate) struct Queue<J> {
    inbox: SegQueue<J>,
    tokens: Sender<()>,
    token_receiver: Receiver<()>,
    /// What has left the inbox. Locked by compile threads; by threads that run WebAssembly only
    /// where the system refuses compile threads.
    list: Mutex<List<J>>,
    discipline: Arc<Guarded>,
    /// Requests of functions that have had no event for so long are dropped, if any.
    stale: Option<Nanos>,
    /// Set once, by the thread that closes the queue, with release and before it sends the waking
    /// tokens. Read with acquire. A worker that takes a job after it was set cancels the job.
    closed: AtomicBool,
    /// Jobs pushed and not taken. Relaxed: a figure, and a bound that may be passed by as many
    /// jobs as threads push at once.
    len: AtomicUsize,
    /// Jobs pushed and not [done](Self::done). Raised before the push; lowered with release, and
    /// read by [`wait_idle`](Self::wait_idle) with acquire, so that what the jobs have done is seen
    /// by the thread that has waited for them.
    unfinished: AtomicUsize,
    /// Guards no data: taken between the lowering of `unfinished` to 0 and the notification, so
    /// that a thread that has read more than 0 under it is waiting by then.
    idle: Mutex<()>,
    finished: Condvar,
    cap: usize,
}

/// The jobs that have left the inbox.
#[derive(Debug)]
struct List<J> {
    jobs: Vec<J>,
    /// What the discipline sees of each job, in the same order.
    waiting: Vec<Waiting>,
    /// How many jobs have arrived.
    arrived: u64,
}

/// What a worker is told to do next.
#[derive(Debug)]
pub(crate) enum Order<J> {
    /// Do this job.
    Work(J),
    /// Drop this job: its function has not run for a time.
    Drop(J),
    /// End: the queue is closed.
    Quit,
}

impl<J: Waits> Queue<J> {
    /// A queue that holds at most `cap` jobs (a few more if threads push at the same moment), and
    /// drops those whose functions have had no event for the time `stale`.
    pub(crate) fn new(discipline: Arc<Guarded>, cap: usize, stale: Option<Nanos>) -> Self {
        let (tokens, token_receiver) = channel::unbounded();
        Self {
            inbox: SegQueue::default(),
            tokens,
            token_receiver,
            list: Mutex::new(List {
                jobs: Vec::new(),
                waiting: Vec::new(),
                arrived: 0,
            }),
            discipline,
            stale,
            closed: AtomicBool::new(false),
            len: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            idle: Mutex::new(()),
            finished: Condvar::new(),
            cap,
        }
    }

    /// The number of jobs that wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Adds a job. Takes no lock, but that which wakes a sleeping thread.
    ///
    /// # Errors
    ///
    /// The job itself, if the queue is full or closed.
    pub(crate) fn push(&self, job: J) -> Result<(), J> {
        if self.is_closed() || self.len() >= self.cap {
            return Err(job);
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        self.inbox.push(job);
        self.tokens
            .send(())
            .expect("the queue itself holds a receiver");
        Ok(())
    }

    /// Waits for a job and takes the one that the discipline chooses, or one that is stale.
    pub(crate) fn pop(&self) -> Order<J> {
        self.token_receiver
            .recv()
            .expect("the queue itself holds a sender");
        match self.is_closed() {
            true => Order::Quit,
            // None only if the queue was closed and emptied meanwhile.
            false => self.take().unwrap_or(Order::Quit),
        }
    }

    /// Takes a job without waiting; `None` if there is none.
    pub(crate) fn try_pop(&self) -> Option<Order<J>> {
        self.token_receiver.try_recv().ok()?;
        self.take()
    }

    /// Takes a job. The caller has received a token.
    fn take(&self) -> Option<Order<J>> {
        let mut list = self.list();
        list.receive(&self.inbox);
        let order = list.take(&self.discipline, self.stale)?;
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(order)
    }

    fn list(&self) -> MutexGuard<'_, List<J>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports that a popped job needs no more work.
    pub(crate) fn done(&self) {
        if self.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.wake_waiters();
        }
    }

    /// Wakes the threads that wait for the idle or closed queue.
    fn wake_waiters(&self) {
        let _idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.finished.notify_all();
    }

    /// Counts work that is done beside the queue, until [`done`](Self::done) is called for it:
    /// [`wait_idle`](Self::wait_idle) waits for that too.
    pub(crate) fn begin_beside(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until every pushed job is done, or the queue is closed.
    pub(crate) fn wait_idle(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while self.unfinished.load(Ordering::Acquire) > 0 && !self.is_closed() {
            idle = self
                .finished
                .wait(idle)
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
    /// it, in the order of arrival.
    pub(crate) fn dismiss(&self, workers: usize) -> Vec<J> {
        for _ in 0..workers {
            self.tokens
                .send(())
                .expect("the queue itself holds a receiver");
        }
        self.wake_waiters();
        let mut list = self.list();
        list.receive(&self.inbox);
        let left = list.empty();
        self.len.fetch_sub(left.len(), Ordering::Relaxed);
        left
    }
}

impl<J: Waits> List<J> {
    /// Empties the inbox.
    fn receive(&mut self, inbox: &SegQueue<J>) {
        while let Some(job) = inbox.pop() {
            let mut waiting = job.waiting();
            waiting.order = self.arrived;
            self.arrived += 1;
            self.jobs.push(job);
            self.waiting.push(waiting);
        }
    }

    /// Takes a stale job, or the one that the discipline chooses; `None` if there is none.
    fn take(&mut self, discipline: &Guarded, stale: Option<Nanos>) -> Option<Order<J>> {
        if discipline.watches() || stale.is_some() {
            for (job, waiting) in self.jobs.iter().zip(&mut self.waiting) {
                job.look(waiting);
            }
        }
        Some(match discipline.next(stale, &self.waiting)? {
            Next::Compile(index) => Order::Work(self.remove(index)),
            Next::Drop(index) => Order::Drop(self.remove(index)),
        })
    }

    fn remove(&mut self, index: usize) -> J {
        self.waiting.swap_remove(index);
        self.jobs.swap_remove(index)
    }

    /// Takes all jobs, in the order of arrival.
    fn empty(&mut self) -> Vec<J> {
        let mut left: Vec<_> = self.waiting.drain(..).zip(self.jobs.drain(..)).collect();
        left.sort_by_key(|(waiting, _)| waiting.order);
        left.into_iter().map(|(_, job)| job).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;
    use crate::policy::{Lane, Level, Request};

    /// A job with a number, a lane and a time without events.
    #[derive(Debug, PartialEq)]
    struct Job(u64, Lane, Nanos);

    impl Waits for Job {
        fn waiting(&self) -> Waiting {
            Waiting {
                request: Request::new(Level(1), self.1),
                ..Waiting::default()
            }
        }

        fn look(&self, waiting: &mut Waiting) {
            waiting.figures.idle = self.2;
        }
    }

    fn job(number: u64, lane: Lane) -> Job {
        Job(number, lane, Nanos(0))
    }

    fn guarded(discipline: Arc<dyn Discipline>) -> Arc<Guarded> {
        Arc::new(Guarded::new(discipline))
    }

    fn queue(spec: &str, cap: usize) -> Queue<Job> {
        Queue::new(guarded(from_spec(spec).unwrap()), cap, None)
    }

    fn popped(queue: &Queue<Job>) -> u64 {
        match queue.pop() {
            Order::Work(job) => job.0,
            order => panic!("a job to be done: {order:?}"),
        }
    }

    /// The order that the queue had when it consisted of a queue for each lane.
    #[test]
    fn better_lanes_first_and_fifo_inside() {
        let queue = Queue::new(guarded(default()), 10, None);
        for (lane, number) in [
            (Lane::Low, 1),
            (Lane::Normal, 2),
            (Lane::Urgent, 3),
            (Lane::Normal, 4),
            (Lane::High, 5),
        ] {
            queue.push(job(number, lane)).unwrap();
        }
        let order: Vec<u64> = (0..5).map(|_| popped(&queue)).collect();
        assert_eq!(order, [3, 5, 2, 4, 1]);
    }

    /// The default discipline against a queue for each lane, over pushes and pops at random.
    #[test]
    fn lanes_are_a_queue_each() {
        let queue = Queue::new(guarded(default()), usize::MAX, None);
        let mut lanes: [std::collections::VecDeque<u64>; 4] = Default::default();
        let mut rng = fastrand::Rng::with_seed(1);
        for number in 0..2_000 {
            let lane = Lane::ALL[rng.usize(..4)];
            queue.push(job(number, lane)).unwrap();
            lanes[lane as usize].push_back(number);
            for _ in 0..rng.usize(..3).min(queue.len()) {
                let first = lanes.iter_mut().find_map(|lane| lane.pop_front());
                assert_eq!(Some(popped(&queue)), first);
            }
        }
    }

    #[test]
    fn the_discipline_decides() {
        let queue = queue("lifo", 10);
        (1..4).for_each(|n| queue.push(job(n, Lane::Normal)).unwrap());
        assert_eq!(popped(&queue), 3);
        queue.push(job(4, Lane::Normal)).unwrap();
        assert_eq!([popped(&queue), popped(&queue), popped(&queue)], [4, 2, 1]);
    }

    #[test]
    fn stale_jobs_are_dropped_first() {
        let queue = Queue::new(guarded(default()), 10, Some(Nanos(50)));
        queue.push(Job(1, Lane::Urgent, Nanos(50))).unwrap();
        queue.push(Job(2, Lane::Low, Nanos(51))).unwrap();
        assert!(matches!(queue.pop(), Order::Drop(Job(2, ..))));
        assert_eq!(popped(&queue), 1);
        assert!(queue.try_pop().is_none());
        queue.done();
        queue.done();
        queue.wait_idle();
    }

    /// A discipline of an embedder's, which panics at every second choice and chooses the last
    /// job otherwise.
    #[derive(Debug, Default)]
    struct Faulty(AtomicU64);

    impl Discipline for Faulty {
        fn spec(&self) -> String {
            "faulty".into()
        }

        fn rank(&self, waiting: &Waiting) -> f64 {
            waiting.order as f64
        }

        fn choose(&self, waiting: &[Waiting]) -> usize {
            let choices = self.0.fetch_add(1, Ordering::Relaxed);
            assert!(choices % 2 == 1, "as told");
            waiting.len() - 1
        }
    }

    #[test]
    fn a_discipline_that_panics_loses_no_job() {
        let discipline = guarded(Arc::new(Faulty::default()));
        let queue = Queue::new(discipline.clone(), 10, None);
        (1..5).for_each(|n| queue.push(job(n, Lane::Normal)).unwrap());
        // The first job by fifo; of the others, in which the last has its place, the last.
        assert_eq!([(); 4].map(|()| popped(&queue)), [1, 3, 2, 4]);
        assert_eq!((discipline.panics(), queue.len()), (2, 0));
    }

    #[test]
    fn a_full_or_closed_queue_refuses() {
        let queue = queue("lanes", 2);
        queue.push(job(1, Lane::Normal)).unwrap();
        queue.push(job(2, Lane::Normal)).unwrap();
        assert!(queue.push(job(3, Lane::Urgent)).is_err());
        queue.close();
        let left: Vec<u64> = queue.dismiss(1).into_iter().map(|job| job.0).collect();
        assert_eq!(left, [1, 2]);
        assert_eq!(queue.len(), 0);
        assert!(queue.push(job(4, Lane::Urgent)).is_err());
        assert!(matches!(queue.pop(), Order::Quit));
    }

    /// Every job is taken exactly once, with several threads that push and several that pop.
    #[test]
    fn hammer_push_and_pop() {
        const JOBS: u64 = 4_000;
        let queue = queue("random", usize::MAX);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Order::Work(job) = queue.pop() {
                        sum.fetch_add(job.0, Ordering::Relaxed);
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
                            queue.push(job(n, lane)).unwrap();
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
