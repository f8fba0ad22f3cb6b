//! The clients: one thread, one task for each keep-alive connection, one request at a time on it.
//!
//! *Closed loop* (default): the next request leaves when the answer has come. A slow answer then
//! hides the ones that would have waited behind it; the histogram puts them back
//! (coordinated-omission correction) with the mean interval of a connection.
//! *Open loop* (`--rate`): a request has an intended time, and its latency counts from there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::machine::Usage;

/// What one answer may be at most, head and body.
const ANSWER_LEN_MAX: usize = 16 * 1024;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The requests of one connection, and what every answer holds.
#[derive(Clone)]
pub(crate) struct Lane {
    requests: Arc<Requests>,
    proof: &'static [u8],
}

enum Requests {
    Once(Vec<Vec<u8>>),
    Again(Vec<u8>),
}

impl Lane {
    /// Each is sent once; the run ends when the first connection has none left.
    pub(crate) fn once(requests: Vec<Vec<u8>>, proof: &'static [u8]) -> Self {
        Self { requests: Arc::new(Requests::Once(requests)), proof }
    }

    /// One request, again and again.
    pub(crate) fn again(request: Vec<u8>, proof: &'static [u8]) -> Self {
        Self { requests: Arc::new(Requests::Again(request)), proof }
    }

    fn request(&self, number: usize) -> Option<&[u8]> {
        match &*self.requests {
            Requests::Once(requests) => requests.get(number).map(Vec::as_slice),
            Requests::Again(request) => Some(request),
        }
    }
}

/// How long, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    /// Requests a second of all connections together; as fast as answers come without it.
    pub(crate) rate: Option<u32>,
}

/// What a run came to.
pub(crate) struct Run {
    pub(crate) took: Duration,
    /// Answers of each connection.
    pub(crate) done: Vec<usize>,
    /// Latencies in nanoseconds, as they were.
    samples: Vec<u64>,
    /// CPU time of this process.
    pub(crate) cpu: Duration,
    open_loop: bool,
}

impl Run {
    pub(crate) fn answers(&self) -> usize {
        self.samples.len()
    }

    pub(crate) fn mean(&self) -> Duration {
        let count = u64::try_from(self.samples.len()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(self.samples.iter().sum::<u64>() / count)
    }

    /// All latencies in nanoseconds, those that were omitted included.
    pub(crate) fn latencies(&self) -> anyhow::Result<Histogram<u64>> {
        let mut latencies = Histogram::new(3)?;
        let interval = match self.open_loop {
            true => 0,
            false => u64::try_from(self.mean().as_nanos())?,
        };
        for sample in &self.samples {
            latencies.record_correct(*sample, interval)?;
        }
        Ok(latencies)
    }
}

/// What all connections of a run look at.
struct Course {
    start: Instant,
    end: Instant,
    over: AtomicBool,
    pace: Option<Pace>,
}

/// Lets each connection send when its next intended time has come.
struct Pace {
    rate: u32,
    due: Vec<Semaphore>,
    each: usize,
}

impl Pace {
    /// When the request of this number, of all connections, should leave.
    fn intended(&self, number: usize) -> anyhow::Result<Duration> {
        let nanos = u128::try_from(number)? * 1_000_000_000 / u128::from(self.rate);
        Ok(Duration::from_nanos(u64::try_from(nanos)?))
    }

    /// Runs on a thread of its own, whose sleep is finer than a timer wheel.
    fn give(&self, start: Instant) -> anyhow::Result<()> {
        let turns = (0..self.each).flat_map(|_| self.due.iter());
        for (number, due) in turns.enumerate() {
            let at = start + self.intended(number)?;
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            due.add_permits(1);
        }
        Ok(())
    }
}

/// Sends requests on as many connections as there are lanes, and checks every answer.
///
/// # Errors
/// When an answer is not the one of success.
pub(crate) fn drive(address: SocketAddr, lanes: &[Lane], plan: &Plan) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = Vec::with_capacity(lanes.len());
        for _ in lanes {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let before = Usage::of("self")?.cpu;
        let start = Instant::now();
        let pace = pace(lanes, plan)?;
        let (end, over) = (start + plan.duration, AtomicBool::new(false));
        let course = Arc::new(Course { start, end, over, pace });
        let pacing = course.pace.is_some().then(|| {
            let course = Arc::clone(&course);
            std::thread::spawn(move || course.pace.as_ref().map(|pace| pace.give(course.start)))
        });
        let mut tasks = Vec::with_capacity(lanes.len());
        for (number, (stream, lane)) in streams.into_iter().zip(lanes).enumerate() {
            let place = (number, lanes.len());
            tasks.push(tokio::spawn(follow(stream, lane.clone(), Arc::clone(&course), place)));
        }
        let sent = tokio::time::timeout(plan.duration + PATIENCE, all(tasks)).await;
        let sent = sent.context("an answer did not come")??;
        let took = start.elapsed();
        if let Some(pacing) = pacing {
            let paced = pacing.join().map_err(|_| anyhow::anyhow!("the pace was lost"))?;
            paced.transpose()?;
        }
        let cpu = Usage::of("self")?.cpu.saturating_sub(before);
        let done = sent.iter().map(Vec::len).collect();
        let samples = sent.into_iter().flatten().collect();
        Ok(Run { took, done, samples, cpu, open_loop: plan.rate.is_some() })
    })
}

fn pace(lanes: &[Lane], plan: &Plan) -> anyhow::Result<Option<Pace>> {
    let Some(rate) = plan.rate else { return Ok(None) };
    let wanted = u128::from(rate) * plan.duration.as_nanos() / 1_000_000_000;
    let each = usize::try_from(wanted)?.div_ceil(lanes.len());
    let due = lanes.iter().map(|_| Semaphore::new(0)).collect();
    Ok(Some(Pace { rate, due, each }))
}

async fn all(tasks: Vec<JoinHandle<anyhow::Result<Vec<u64>>>>) -> anyhow::Result<Vec<Vec<u64>>> {
    let mut sent = Vec::with_capacity(tasks.len());
    for task in tasks {
        sent.push(task.await??);
    }
    Ok(sent)
}

/// Sends the requests of one lane; hands back how long each answer took, in nanoseconds.
async fn follow(
    mut stream: TcpStream,
    lane: Lane,
    course: Arc<Course>,
    (number, count): (usize, usize),
) -> anyhow::Result<Vec<u64>> {
    let mut samples = Vec::new();
    let mut buffer = vec![0; ANSWER_LEN_MAX];
    loop {
        let sent = samples.len();
        let Some(begun) = course.turn(number, (sent, count)).await? else { break };
        let Some(request) = lane.request(sent) else {
            course.over.store(true, Ordering::Relaxed);
            break;
        };
        stream.write_all(request).await?;
        let answer = answer(&mut stream, &mut buffer).await?;
        samples.push(u64::try_from(begun.elapsed().as_nanos())?);
        answer.check(lane.proof)?;
    }
    Ok(samples)
}

impl Course {
    /// Waits until a connection may send; since when its latency counts, `None` at the end.
    async fn turn(
        &self,
        number: usize,
        (sent, count): (usize, usize),
    ) -> anyhow::Result<Option<Instant>> {
        let Some(pace) = &self.pace else {
            let now = Instant::now();
            let over = now >= self.end || self.over.load(Ordering::Relaxed);
            return Ok((!over).then_some(now));
        };
        let due = pace.due.get(number).filter(|_| sent < pace.each);
        let Some(due) = due else { return Ok(None) };
        due.acquire().await?.forget();
        Ok(Some(self.start + pace.intended(sent * count + number)?))
    }
}

/// An answer as it came.
struct Answer<'a> {
    head: &'a [u8],
    body: &'a [u8],
}

impl Answer<'_> {
    fn check(&self, proof: &[u8]) -> anyhow::Result<()> {
        let fine = self.head.starts_with(b"HTTP/1.1 200 ") && holds(self.body, proof);
        anyhow::ensure!(
            fine,
            "an answer is not the one of success: {} {}",
            String::from_utf8_lossy(self.head).lines().next().unwrap_or_default(),
            String::from_utf8_lossy(self.body)
        );
        Ok(())
    }
}

fn holds(body: &[u8], proof: &[u8]) -> bool {
    body.windows(proof.len()).any(|part| part == proof)
}

/// Reads one answer; its length must be in its head.
async fn answer<'a>(stream: &mut TcpStream, buffer: &'a mut [u8]) -> anyhow::Result<Answer<'a>> {
    let mut len = 0;
    loop {
        let room = buffer.get_mut(len..).filter(|room| !room.is_empty());
        let came = stream.read(room.context("an answer is too long")?).await?;
        anyhow::ensure!(came > 0, "the server hung up");
        len += came;
        let so_far = buffer.get(..len).unwrap_or_default();
        let Some(end) = so_far.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
        let whole = end + 4 + content_length(so_far.get(..end).unwrap_or_default())?;
        if len >= whole {
            anyhow::ensure!(len == whole, "an answer came that nobody asked for");
            let (head, body) = buffer.split_at_checked(end + 4).unwrap_or_default();
            return Ok(Answer { head, body: body.get(..whole - end - 4).unwrap_or_default() });
        }
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value = lines
        .filter_map(|line| line.split_at_checked(NAME.len()))
        .find_map(|(name, rest)| name.eq_ignore_ascii_case(NAME).then_some(rest));
    let value = std::str::from_utf8(value.context("an answer does not say how long it is")?)?;
    Ok(value.trim().parse()?)
}
