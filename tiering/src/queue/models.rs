//! Models of the queue: in no order of steps is a job lost or taken twice, or a thread left
//! waiting. Loom reports threads that wait for ever.

use std::sync::Arc;

use loom::model::Builder;
use loom::thread;

use super::{Order, Queue};
use crate::policy::Lane;

/// Bounds how often a model takes the processor from a thread that could go on.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Works until the queue is closed; returns the jobs done.
fn work(queue: &Queue<u32>) -> Vec<u32> {
    let mut done = Vec::new();
    while let Order::Work(job) = queue.pop() {
        done.push(job);
        queue.done();
    }
    done
}

#[test]
fn two_workers_do_each_job_once() {
    check(|| {
        let queue = Arc::new(Queue::new(8));
        let workers = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        });
        queue.push(Lane::Low, 1).unwrap();
        queue.push(Lane::Urgent, 2).unwrap();
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
        let queue = Arc::new(Queue::new(8));
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || work(&queue))
        };
        let waiting = {
            let queue = queue.clone();
            thread::spawn(move || queue.wait_idle())
        };
        queue.push(Lane::Normal, 1).unwrap();
        queue.push(Lane::High, 2).unwrap();
        queue.close();
        let mut jobs = queue.dismiss(1);
        waiting.join().unwrap();
        jobs.extend(worker.join().unwrap());
        jobs.sort_unstable();
        assert_eq!(jobs, [1, 2]);
        assert_eq!(queue.push(Lane::Normal, 3), Err(3));
    });
}
