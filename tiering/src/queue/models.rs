//! Models of the queue: in no order of steps is a job lost or taken twice, or a thread left
//! waiting. Loom reports threads that wait for ever.

use std::sync::Arc;

use loom::model::Builder;
use loom::thread;
use upshift_profiler::Nanos;

use super::guard::Guarded;
use super::{Discipline, Order, Queue, Waiting, Waits, default, from_spec};

fn guarded(discipline: Arc<dyn Discipline>) -> Arc<Guarded> {
    Arc::new(Guarded::new(discipline))
}

/// A job with a number; those from 100 on are stale.
#[derive(Debug, PartialEq)]
struct Job(u32);

impl Waits for Job {
    fn waiting(&self) -> Waiting {
        Waiting::default()
    }

    fn look(&self, waiting: &mut Waiting) {
        waiting.figures.idle = Nanos(self.0.into());
    }
}

/// Bounds how often a model takes the processor from a thread that could go on.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Works until the queue is closed; returns the jobs done, or dropped.
fn work(queue: &Queue<Job>) -> Vec<u32> {
    let mut done = Vec::new();
    while let Order::Work(job) | Order::Drop(job) = queue.pop() {
        done.push(job.0);
        queue.done();
    }
    done
}

fn numbers(jobs: Vec<Job>) -> Vec<u32> {
    jobs.into_iter().map(|job| job.0).collect()
}

#[test]
fn two_workers_do_each_job_once() {
    check(|| {
        let queue = Arc::new(Queue::new(guarded(default()), 8, None));
        let workers = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        });
        queue.push(Job(1)).unwrap();
        queue.push(Job(2)).unwrap();
        queue.wait_idle();
        queue.close();
        assert_eq!(queue.dismiss(2), []);
        let mut done = workers.map(|worker| worker.join().unwrap()).concat();
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}

#[test]
fn closing_gives_back_what_no_worker_took() {
    check(|| {
        let queue = Arc::new(Queue::new(guarded(default()), 8, None));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        };
        let waiting = {
            let queue = queue.clone();
            thread::spawn(move || queue.wait_idle())
        };
        queue.push(Job(1)).unwrap();
        queue.push(Job(2)).unwrap();
        queue.close();
        let mut jobs = numbers(queue.dismiss(1));
        waiting.join().unwrap();
        jobs.extend(worker.join().unwrap());
        jobs.sort_unstable();
        assert_eq!(jobs, [1, 2]);
        assert_eq!(queue.push(Job(3)), Err(Job(3)));
    });
}

/// What is dropped counts as done, and its token is used up.
#[test]
fn two_threads_push_and_one_job_is_stale() {
    check(|| {
        let lifo = from_spec("lifo").unwrap();
        let queue = Arc::new(Queue::new(guarded(lifo), 8, Some(Nanos(99))));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        };
        let pusher = {
            let queue = queue.clone();
            thread::spawn(move || queue.push(Job(100)).unwrap())
        };
        queue.push(Job(1)).unwrap();
        pusher.join().unwrap();
        queue.wait_idle();
        assert_eq!(queue.len(), 0);
        queue.close();
        assert_eq!(queue.dismiss(1), []);
        let mut done = worker.join().unwrap();
        done.sort_unstable();
        assert_eq!(done, [1, 100]);
    });
}
