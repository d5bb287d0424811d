//! The control socket: what somebody on this machine asks of the running door station (`doorward status`, `press`, `open`).
//! One line of JSON in, one out, on a Unix socket that belongs to root and the service's group.
//!
//! Decides nothing: every question goes to the door's loop, which answers it in its turn.

use std::io::{self, BufRead, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::ids::{ButtonId, SessionId};
use crate::signaling::protocol::Trace;

/// A question is short.
const LONGEST_LINE: u64 = 4096;
/// For the question to come, and for the answer to be read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Questions that wait for the loop. More of them wait on their sockets.
const WAITING: usize = 8;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Question {
    /// How the last call of a visitor went.
    LastCall,
    /// Open the door, as its administrator.
    Open,
    /// How the station is.
    Status,
    /// Press this button and let go.
    Press(ButtonId),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It is done.
    Done,
    /// How the last call of a visitor went, if there was one since the start.
    LastCall(Option<Box<LastCall>>),
    /// It is not done, and why.
    Refused(String),
    /// How the station is.
    Status(Box<Status>),
}

/// How the station is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// The door's name.
    pub door: String,
    /// Seconds since it is ready.
    pub up_for: u64,
    /// Where the call stands: `idle`, `dialing`, `ringing`, …, or how the last one went.
    pub phase: String,
    /// The call, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whether the hub is reached.
    pub hub_reached: bool,
    /// The video encoder of the media worker; nothing while it is being started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// How often the media worker was started anew.
    pub worker_restarts: u32,
    /// Whether the camera is open.
    pub camera: bool,
    /// Whether the microphone is open.
    pub microphone: bool,
    /// What `doorward tune echo` measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<String>,
    /// The last second of the microphone's sound, of this call or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sound: Option<SoundStatus>,
    /// By which ways the connections of the latest call run or were tried, and why not by others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<String>,
    /// Every button.
    pub buttons: Vec<ButtonStatus>,
    /// What does not work, in words.
    pub troubles: Vec<String>,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, door, up_for, phase, session_id, .. } = self;
        let is = |open: bool| if open { "open" } else { "closed" };
        writeln!(f, "{door}: {phase}, up for {up_for} s, doorward {version}")?;
        if let Some(session_id) = session_id {
            writeln!(f, "call:    {session_id}")?;
        }
        writeln!(f, "hub:     {}", if self.hub_reached { "reached" } else { "not reached" })?;
        let encoder = self.encoder.as_deref().unwrap_or("is being started");
        writeln!(f, "media:   {encoder}, started anew {} times", self.worker_restarts)?;
        writeln!(f, "devices: camera {}, microphone {}", is(self.camera), is(self.microphone))?;
        if let Some(tuned) = &self.tuned {
            writeln!(f, "tuned:   {tuned}")?;
        }
        if let Some(sound) = &self.sound {
            writeln!(f, "sound:   {sound}")?;
        }
        self.ways.iter().try_for_each(|way| writeln!(f, "network: {way}"))?;
        for ButtonStatus { id, label, stuck } in &self.buttons {
            writeln!(f, "button:  {id} \"{label}\"{}", if *stuck { ", stuck" } else { "" })?;
        }
        self.troubles.iter().try_for_each(|trouble| writeln!(f, "trouble: {trouble}"))
    }
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastCall {
    /// Which call.
    pub session_id: SessionId,
    /// Which button was pressed.
    pub button: ButtonId,
    /// Milliseconds from the press to each step.
    pub trace: Trace,
}

impl std::fmt::Display for LastCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: pressed {}", self.session_id, self.button)?;
        self.trace.steps().try_for_each(|(step, at)| writeln!(f, "{at:>8} ms  {step}"))
    }
}

/// What a second of the microphone was like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SoundStatus {
    /// What the microphone heard (dBFS).
    pub captured: i16,
    /// What was left of it for the residents (dBFS).
    pub sent: i16,
    /// What the speaker played (dBFS).
    pub played: i16,
    /// Milliseconds from the speaker to the microphone, where the canceller found them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<u16>,
    /// By how many decibels the echo is lowered, where the canceller knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowered: Option<i16>,
}

impl std::fmt::Display for SoundStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { captured, sent, played, delay, lowered } = self;
        write!(f, "microphone {captured} dBFS, sent {sent} dBFS, speaker {played} dBFS")?;
        if let Some(delay) = delay {
            write!(f, ", echo after {delay} ms")?;
        }
        lowered.map_or(Ok(()), |lowered| write!(f, ", lowered by {lowered} dB"))
    }
}

/// How a button is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ButtonStatus {
    /// Its name in the configuration.
    pub id: ButtonId,
    /// What is written on it.
    pub label: String,
    /// Pressed for so long that it is ignored.
    pub stuck: bool,
}

/// A question, and the way back.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    answer: oneshot::Sender<Answer>,
}

impl Asked {
    /// Answers. Whoever asked may be gone.
    pub fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }
}

/// The listening socket, removed with this value.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    questions: mpsc::Receiver<Asked>,
}

impl Control {
    /// Listens at this path.
    ///
    /// # Errors
    /// The socket cannot be made, or another station listens there.
    pub fn listen(path: &Path) -> io::Result<Self> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another door station listens there"));
        }
        // Left by one that was killed.
        if let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        let (questions_in, questions) = mpsc::channel(WAITING);
        tokio::spawn(serve(listener, questions_in));
        Ok(Self { path: path.to_owned(), questions })
    }

    /// The next question. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Asked> {
        self.questions.recv().await
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Gone already, or the next start removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, questions: mpsc::Sender<Asked>) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            () = questions.closed() => return,
        };
        match stream {
            Ok((stream, _)) => {
                let questions = questions.clone();
                tokio::spawn(async move {
                    // Whoever asks too slowly, or goes away, has no answer.
                    let _ = tokio::time::timeout(PATIENCE, converse(stream, questions)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot be read");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, questions: mpsc::Sender<Asked>) -> io::Result<()> {
    let mut line = String::new();
    let (read, mut write) = stream.split();
    BufReader::new(read.take(LONGEST_LINE)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => {
            let (answer, answered) = oneshot::channel();
            let sent = questions.send(Asked { question, answer }).await;
            let stopping = || Answer::Refused("the station is stopping".to_owned());
            if sent.is_ok() { answered.await.unwrap_or_else(|_| stopping()) } else { stopping() }
        }
        Err(error) => Answer::Refused(format!("not a question: {error}")),
    };
    let mut text = serde_json::to_string(&answer).expect("an answer holds only words and numbers");
    text.push('\n');
    write.write_all(text.as_bytes()).await
}

/// Asks a running station, and waits for its answer.
///
/// # Errors
/// None listens there, or it does not answer.
pub fn ask(path: &Path, question: &Question) -> io::Result<Answer> {
    let mut stream = std::os::unix::net::UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let text = serde_json::to_string(question).expect("a question holds only words");
    writeln!(stream, "{text}")?;
    let mut line = String::new();
    io::BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_and_nonsense_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("door.sock");
        let mut control = Control::listen(&path).expect("a free path");
        assert_eq!(Control::listen(&path).expect_err("it is taken").kind(), io::ErrorKind::AddrInUse);
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);

        let button: ButtonId = "flat-1".parse().expect("a word");
        let question = Question::Press(button.clone());
        let asking = tokio::task::spawn_blocking({
            let (path, question) = (path.clone(), question.clone());
            move || ask(&path, &question)
        });
        let asked = control.next().await.expect("it listens");
        assert_eq!(asked.question, question);
        asked.answer(Answer::Done);
        assert_eq!(asking.await.expect("no panic").expect("an answer"), Answer::Done);

        let mut stream = UnixStream::connect(&path).await.expect("it listens");
        stream.write_all(b"{\"explode\":{}}\n").await.expect("it reads");
        let mut said = String::new();
        stream.read_to_string(&mut said).await.expect("it answers");
        assert!(said.starts_with("{\"refused\":\"not a question: unknown variant `explode`"), "{said}");

        drop(control);
        assert!(!path.exists());
    }

    #[test]
    fn sound_is_told_as_far_as_it_is_known() {
        let unknown = SoundStatus { captured: -31, sent: -58, played: -24, delay: None, lowered: None };
        assert_eq!(unknown.to_string(), "microphone -31 dBFS, sent -58 dBFS, speaker -24 dBFS");
        let known = SoundStatus { delay: Some(112), lowered: Some(27), ..unknown };
        assert!(known.to_string().ends_with(", echo after 112 ms, lowered by 27 dB"), "{known}");
    }

    #[test]
    fn a_socket_that_a_killed_station_left_is_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("door.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a free path"));
        assert!(path.exists());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let _guard = runtime.enter();
        assert!(Control::listen(&path).is_ok());
    }
}
