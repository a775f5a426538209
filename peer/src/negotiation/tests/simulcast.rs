//! Simulcast: the peer's layers received, our layers sent.

use sdp::Direction;

use super::*;
use crate::media::parameters::Extension;
use crate::media::{MediaKind, Rid, TransceiverInit};

fn rids(names: &[&str]) -> Vec<Rid> {
    names.iter().map(|name| Rid((*name).into())).collect()
}

fn sender() -> Negotiation {
    let mut peer = fresh(1);
    let init = TransceiverInit {
        direction: Direction::SendOnly,
        send_encodings: rids(&["l", "m", "h"]),
        ..TransceiverInit::default()
    };
    peer.add_transceiver(MediaKind::Video, init).unwrap();
    peer
}

#[test]
fn trap_a_browsers_layers_are_answered_with_the_extensions_that_tell_them_apart() {
    for browser in ["chromium", "firefox"] {
        let mut peer = fresh(1);
        let offer = fixture(&format!("{browser}-simulcast3.offer.sdp"));
        peer.set_remote(&SessionDescription::offer(offer.clone())).unwrap();
        let (text, _) = answer(&mut peer);
        for line in ["a=rid:l recv", "a=rid:m recv", "a=rid:h recv", "a=simulcast:recv l;m;h"] {
            assert!(text.sdp.contains(&format!("{line}\r\n")), "{browser}: {line}");
        }
        let section = &peer.sections()[0];
        assert_eq!(section.receive.as_ref().unwrap().rids, rids(&["l", "m", "h"]));
        for extension in [Extension::Mid, Extension::Rid, Extension::RepairedRid] {
            assert!(section.extensions.contains_key(&extension), "{browser}: {extension:?}");
        }
        // Without the extension there is no way to receive them.
        let bare: String =
            offer.split_inclusive("\r\n").filter(|line| !line.contains("rtp-stream-id")).collect();
        let (answer, _) = answer_to(&bare).unwrap();
        assert!(!answer.to_string().contains("simulcast"));
    }
}

#[test]
fn trap_the_old_form_of_simulcast_is_understood() {
    let offer = fixture("firefox-simulcast3.offer.sdp")
        .replace("a=simulcast:send l;m;h", "a=simulcast: send rid=l;m;h");
    let (answer, _) = answer_to(&offer).unwrap();
    assert!(answer.to_string().contains("a=simulcast:recv l;m;h\r\n"));
}

#[test]
fn paused_layers_and_limits_of_layers() {
    let offer = fixture("chromium-simulcast3.offer.sdp")
        .replace("a=rid:l send", "a=rid:l send pt=96,118;max-width=320")
        .replace("a=rid:m send", "a=rid:m send x-unknown=1")
        .replace("send l;m;h", "send ~l;m;h,L");
    let mut peer = fresh(1);
    peer.set_remote(&SessionDescription::offer(offer)).unwrap();
    let (text, _) = answer(&mut peer);
    assert!(text.sdp.contains("a=rid:l recv pt=96;max-width=320\r\n"));
    assert!(text.sdp.contains("a=simulcast:recv ~l;h\r\n"));
    assert_eq!(peer.sections()[0].receive.as_ref().unwrap().rids, rids(&["h", "l"]));
}

#[test]
fn our_layers_are_offered_and_sent_as_far_as_they_are_wanted() {
    let mut peer = sender();
    let text = offer(&mut peer).sdp;
    for line in ["a=rid:l send", "a=rid:m send", "a=rid:h send", "a=simulcast:send l;m;h"] {
        assert!(text.contains(&format!("{line}\r\n")), "{line}");
    }
    assert!(!text.contains("a=ssrc"));
    let mut other = fresh(2);
    other.set_remote(&SessionDescription::offer(text)).unwrap();
    let (text, _) = answer(&mut other);
    assert!(text.sdp.contains("a=simulcast:recv l;m;h\r\n"));
    let fewer = text.sdp.replace("recv l;m;h", "recv m;h");
    peer.set_remote(&SessionDescription::answer(fewer)).unwrap();
    let sources = &peer.sections()[0].send.as_ref().unwrap().sources;
    let names: Vec<_> = sources.iter().map(|source| source.rid.clone().unwrap()).collect();
    assert_eq!(names, rids(&["m", "h"]));
}

/// RFC 9429 §5.11: who answers without simulcast gets the first layer.
#[test]
fn without_simulcast_in_the_answer_one_layer_is_sent() {
    let mut peer = sender();
    let mut other = fresh(2);
    other.set_remote(&offer(&mut peer)).unwrap();
    let text = answer(&mut other).0.sdp;
    let plain: String = text
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=rid") && !line.starts_with("a=simulcast"))
        .collect();
    peer.set_remote(&SessionDescription::answer(plain)).unwrap();
    assert_eq!(peer.sections()[0].send.as_ref().unwrap().sources.len(), 1);
}

/// A forwarder offers to receive; our waiting transceiver has layers of those names.
#[test]
fn a_browsers_wish_for_layers_is_answered() {
    for browser in ["chromium", "firefox"] {
        let mut peer = sender();
        let offer = fixture(&format!("{browser}-answer-to-simulcast-recv.remote-offer.sdp"));
        peer.set_remote(&SessionDescription::offer(offer)).unwrap();
        let (text, _) = answer(&mut peer);
        assert!(text.sdp.contains("a=simulcast:send l;m;h\r\n"), "{browser}");
        assert!(text.sdp.contains("a=sendonly\r\n"));
        assert_eq!(peer.sections()[0].send.as_ref().unwrap().sources.len(), 3);
    }
}
