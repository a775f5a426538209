//! Descriptions of media that want to hurt, or that nobody meant.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::browsers::{check_subset, fixtures};
use super::*;

/// Whatever is accepted is answered consistently, and a whole exchange can follow.
fn check(text: &str) {
    let Ok(offer) = Session::parse(text) else { return };
    let mut peer = fresh(1);
    if peer.set_remote(&SessionDescription::offer(text)).is_err() {
        return;
    }
    let ids: Vec<_> = peer.transceivers().map(|info| info.id).collect();
    for id in ids {
        peer.set_direction(id, sdp::Direction::SendRecv).unwrap();
    }
    let text = peer.create_answer(&local(&[])).unwrap();
    let answer = Session::parse(&text.sdp).unwrap();
    incoming::check_answer(&offer, &answer).unwrap();
    for (offered, answered) in offer.sections().zip(answer.sections()) {
        assert_eq!(offered.mid(), answered.mid());
        if !answered.is_rejected() && answered.media.lines.has("msid") {
            check_subset("", &offered, &answered);
        }
    }
    peer.set_local(&text, &local(&[])).unwrap();
    let again = peer.create_offer(&local(&[]));
    let session = Session::parse(&again.sdp).unwrap();
    assert!(session.media.len() >= offer.media.len());
    peer.set_local(&again, &local(&[])).unwrap();
    peer.set_local(&SessionDescription::rollback(), &local(&[])).unwrap();
}

#[test]
fn row_77_bombs_of_media_are_refused_or_answered_within_a_second() {
    let head = fixture("chromium-audio.offer.sdp");
    let (head, section) = head.split_once("m=audio").unwrap();
    let numbered = |line: &str, count: usize| {
        (0..count).fold(String::new(), |mut text, number| {
            write!(text, "{}", line.replace('#', &number.to_string())).unwrap();
            text
        })
    };
    let mids: String = numbered(" #", 1_400);
    let bundle = head.replace("BUNDLE 0", &format!("BUNDLE{mids}"));
    let backwards: String = (0..1_400).rev().map(|mid| format!(" {mid}")).collect();
    let backwards = head.replace("BUNDLE 0", &format!("BUNDLE{backwards}"));
    let short = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\na=mid:#\r\n";
    let only = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=bundle-only\r\na=mid:#\r\n";
    let end = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\na=setup:actpass\r\n";
    let fingerprint = format!("a=fingerprint:{FINGERPRINT}\r\n");
    let whole = |head: &str, sections: &str| {
        format!("{}{sections}", head.replace("t=0 0\r\n", &format!("t=0 0\r\n{end}{fingerprint}")))
    };
    let attributes = |line: &str| format!("{head}m=audio{section}{}", numbered(line, 15_000));
    let formats: String = (0..128).map(|number| format!(" {number}")).collect();
    let bombs = [
        ("sections", whole(&bundle, &numbered(short, 1_400))),
        ("sections backwards", whole(&backwards, &numbered(short, 1_400))),
        ("bundle-only sections", whole(&backwards, &numbered(only, 1_400))),
        ("sources", attributes("a=ssrc:# cname:x\r\n")),
        ("groups", attributes("a=ssrc-group:FID # 1\r\n")),
        ("layers", attributes("a=rid:r# send\r\n")),
        ("extensions", attributes("a=extmap:# urn:x\r\n")),
        ("feedback", attributes("a=rtcp-fb:* nack\r\n")),
        ("parameters", attributes("a=fmtp:111 apt=#\r\n")),
        (
            "codecs",
            format!("{head}m=audio{section}").replace(" 126\r\n", &format!("{formats}\r\n"))
                + &(0..100)
                    .map(|_| numbered("a=rtpmap:# opus/48000/2\r\n", 128))
                    .collect::<String>(),
        ),
    ];
    for (name, bomb) in bombs {
        let start = Instant::now();
        let result = answer_to_anything(&bomb);
        assert!(start.elapsed() < Duration::from_secs(1), "{name}: {:?}", start.elapsed());
        if let Some((peer, answer)) = result {
            assert!(answer.len() <= 10 * bomb.len(), "{name}");
            assert!(peer.transceivers().count() <= transceiver::MAX_TRANSCEIVERS, "{name}");
            for receive in peer.sections().iter().filter_map(|section| section.receive.as_ref()) {
                assert!(receive.ssrcs.len() <= 32 && receive.rids.len() <= 32, "{name}");
                assert!(receive.codecs.len() <= 128, "{name}");
            }
        }
    }
}

fn answer_to_anything(offer: &str) -> Option<(Negotiation, String)> {
    let mut peer = fresh(1);
    peer.set_remote(&SessionDescription::offer(offer)).ok()?;
    let answer = peer.create_answer(&local(&[])).ok()?;
    peer.set_local(&answer, &local(&[])).ok()?;
    Some((peer, answer.sdp))
}

/// A peer that recycles a section for ever does not make us remember all of them.
#[test]
fn row_3_recycled_sections_leave_nothing_behind() {
    let mut peer = fresh(1);
    let alive = fixture("chromium-audio-video-data.offer.sdp");
    for round in 0..100 {
        let mid = 10 + round;
        let named = alive
            .replace("a=mid:1\r\n", &format!("a=mid:{mid}\r\n"))
            .replace("BUNDLE 0 1 2", &format!("BUNDLE 0 {mid} 2"));
        peer.set_remote(&SessionDescription::offer(named.clone())).unwrap();
        answer(&mut peer);
        let stopped = named
            .replace("m=video 57465", "m=video 0")
            .replace(&format!("BUNDLE 0 {mid} 2"), "BUNDLE 0 2");
        peer.set_remote(&SessionDescription::offer(stopped)).unwrap();
        answer(&mut peer);
        assert!(peer.transceivers().count() <= 3, "{round}");
    }
}

#[derive(Debug, Clone)]
enum Change {
    Drop,
    Twice,
    Swap(usize),
    Digit(char),
    Cut(usize),
    Replace(&'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let lines = prop_oneof![
        Just("a=inactive"),
        Just("a=recvonly"),
        Just("a=bundle-only"),
        Just("a=rid:l send pt=96;max-fps=0"),
        Just("a=simulcast:recv ~a;b,c send l"),
        Just("a=extmap:15 urn:ietf:params:rtp-hdrext:sdes:mid"),
        Just("a=extmap:4096 urn:ietf:params:rtp-hdrext:sdes:mid"),
        Just("a=rtpmap:96 H264/90000"),
        Just("a=fmtp:96 profile-level-id=zz;packetization-mode=9"),
        Just("a=rtcp-fb:* ccm fir"),
        Just("a=fmtp:97 apt=97"),
        Just("a=ssrc-group:FID 1"),
        Just("m=video 0 UDP/TLS/RTP/SAVPF 96"),
    ];
    prop_oneof![
        Just(Change::Drop),
        Just(Change::Twice),
        any::<usize>().prop_map(Change::Swap),
        "[0-9]".prop_map(|digit| Change::Digit(digit.chars().next().unwrap_or('0'))),
        any::<usize>().prop_map(Change::Cut),
        lines.prop_map(Change::Replace),
    ]
}

proptest! {
    /// A browser's offer with a few lines spoiled.
    #[test]
    fn an_answer_has_nothing_that_was_not_offered(
        which: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), change()), 0..6),
    ) {
        let all = fixtures("offer.sdp");
        let (_, text) = which.get(&all);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (index, change) in changes {
            let at = index.index(lines.len());
            match change {
                Change::Drop => drop(lines.remove(at)),
                Change::Twice => lines.insert(at, lines[at].clone()),
                Change::Swap(with) => {
                    let with = with % lines.len();
                    lines.swap(at, with);
                }
                Change::Digit(digit) => {
                    let replace = |c: char| if c.is_ascii_digit() { digit } else { c };
                    lines[at] = lines[at].chars().map(replace).collect();
                }
                Change::Cut(length) => {
                    let length = length % (lines[at].len() + 1);
                    lines[at].truncate(length);
                }
                Change::Replace(line) => lines[at] = line.to_owned(),
            }
        }
        check(&(lines.join("\r\n") + "\r\n"));
    }

    #[test]
    fn never_panics(text in "(v=0\r\no=- 1 1 IN IP4 ::\r\ns=-\r\n)?([vostcbamx]=?[ -~\r\n]{0,20}\r?\n){0,12}") {
        check(&text);
    }
}
