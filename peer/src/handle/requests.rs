//! How handles have the task do something, and wait for what came of it.
//!
//! Book: "The pump".

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::driver::{Request, Task};

/// The way to the task for handles that do not keep the connection open.
#[derive(Debug, Clone)]
pub(crate) struct Requests(mpsc::WeakSender<Request>);

impl Requests {
    pub(crate) fn new(sender: &mpsc::Sender<Request>) -> Requests {
        Requests(sender.downgrade())
    }

    /// Has the task do something with the connection.
    pub(super) async fn request<T, F>(&self, action: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Task, Instant) -> T + Send + 'static,
    {
        let sender = self.0.upgrade().ok_or(Error::Closed)?;
        request(&sender, action).await
    }
}

/// Sends a request and waits for its outcome.
pub(super) async fn request<T, F>(sender: &mpsc::Sender<Request>, action: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce(&mut Task, Instant) -> T + Send + 'static,
{
    let (answer, outcome) = oneshot::channel();
    let request: Request = Box::new(move |task, now| {
        // The asker may have gone meanwhile.
        let _ = answer.send(action(task, now));
    });
    sender.send(request).await.map_err(|_| Error::Closed)?;
    outcome.await.map_err(|_| Error::Closed)
}
