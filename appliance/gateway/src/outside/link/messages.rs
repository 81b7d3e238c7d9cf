//! The few routing messages of the kernel that the link is read from. The layouts are those of `rtnetlink(7)`, in the
//! byte order of the machine.

use std::io;

/// The groups of messages on links and on the routes of both families.
pub(super) const LINKS_AND_ROUTES: u32 = 0x1 | 0x40 | 0x400;

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const ERROR: u16 = 2;
const DONE: u16 = 3;

const REQUEST_ALL: u16 = 0x1 | 0x300;
const UNICAST: u8 = 1;
const LOWER_UP: u32 = 1 << 16;
const ATTRIBUTE_OUT_INTERFACE: u16 = 4;
const ATTRIBUTE_SEVERAL_WAYS: u16 = 9;

const HEADER_BYTES: usize = 16;
const ROUTE_BYTES: usize = 12;
const LINK_BYTES: usize = 16;

/// What one message tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    DefaultRoute { interfaces: Vec<u32> },
    Interface { index: u32, has_carrier: bool },
}

pub(super) fn all_routes() -> Vec<u8> {
    question(GET_ROUTE, ROUTE_BYTES)
}

pub(super) fn all_links() -> Vec<u8> {
    question(GET_LINK, LINK_BYTES)
}

/// A question for everything of a kind: a header, and a body of zeros.
fn question(kind: u16, body_bytes: usize) -> Vec<u8> {
    let length = (HEADER_BYTES + body_bytes) as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST_ALL.to_ne_bytes());
    message.resize(length as usize, 0);
    message
}

/// Reads the messages of one packet; true when the answer ends with it.
///
/// # Errors
/// The kernel's own refusal.
pub(super) fn read(mut packet: &[u8]) -> io::Result<(Vec<Told>, bool)> {
    let mut told = Vec::new();
    while let Some((kind, body, rest)) = next_message(packet) {
        packet = rest;
        match kind {
            DONE => return Ok((told, true)),
            ERROR => {
                let number = u32_at(body, 0).unwrap_or_default() as i32;
                return Err(io::Error::from_raw_os_error(-number));
            }
            NEW_ROUTE => told.extend(default_route(body)),
            NEW_LINK => told.extend(interface(body)),
            _ => {}
        }
    }
    Ok((told, false))
}

/// Kind, body and what follows.
fn next_message(packet: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32_at(packet, 0)? as usize;
    let body = packet.get(HEADER_BYTES..length)?;
    Some((u16_at(packet, 4)?, body, packet.get(aligned(length)..).unwrap_or_default()))
}

fn default_route(body: &[u8]) -> Option<Told> {
    let (prefix_length, kind) = (*body.get(1)?, *body.get(7)?);
    if prefix_length != 0 || kind != UNICAST {
        return None;
    }
    let mut interfaces = Vec::new();
    let mut rest = body.get(ROUTE_BYTES..)?;
    while let Some((kind, value, after)) = next_attribute(rest) {
        rest = after;
        match kind {
            ATTRIBUTE_OUT_INTERFACE => interfaces.extend(u32_at(value, 0)),
            ATTRIBUTE_SEVERAL_WAYS => interfaces.extend(next_hops(value)),
            _ => {}
        }
    }
    Some(Told::DefaultRoute { interfaces })
}

/// The interfaces of a route over several ways: each has its length first, and its interface after four bytes.
fn next_hops(mut hops: &[u8]) -> Vec<u32> {
    let mut interfaces = Vec::new();
    while let (Some(length), Some(interface)) = (u16_at(hops, 0), u32_at(hops, 4)) {
        interfaces.push(interface);
        hops = hops.get(aligned(usize::from(length).max(8))..).unwrap_or_default();
    }
    interfaces
}

fn interface(body: &[u8]) -> Option<Told> {
    let (index, flags) = (u32_at(body, 4)?, u32_at(body, 8)?);
    Some(Told::Interface { index, has_carrier: flags & LOWER_UP != 0 })
}

fn next_attribute(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16_at(bytes, 0)?);
    let value = bytes.get(4..length)?;
    Some((u16_at(bytes, 2)?, value, bytes.get(aligned(length)..).unwrap_or_default()))
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.resize(HEADER_BYTES, 0);
        message.extend(body);
        message.resize(aligned(message.len()), 0);
        message
    }

    fn route(prefix_length: u8, kind: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, prefix_length, 0, 0, 254, 3, 0, kind, 0, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend(((4 + value.len()) as u16).to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
        }
        message(NEW_ROUTE, &body)
    }

    fn link(index: u32, flags: u32) -> Vec<u8> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend([0; 4]);
        message(NEW_LINK, &body)
    }

    #[test]
    fn default_routes_and_carriers_are_read_and_all_else_is_passed_over() {
        let two_ways: Vec<u8> = [3_u32, 4]
            .iter()
            .flat_map(|index| {
                [8_u16.to_ne_bytes().to_vec(), vec![0, 0], index.to_ne_bytes().to_vec()].concat()
            })
            .collect();
        let packet = [
            route(24, UNICAST, &[(4, &9_u32.to_ne_bytes())]),
            route(0, 7, &[(4, &1_u32.to_ne_bytes())]),
            route(0, UNICAST, &[(5, &[10, 0, 0, 1]), (4, &2_u32.to_ne_bytes())]),
            route(0, UNICAST, &[(9, &two_ways)]),
            link(2, LOWER_UP | 1),
            link(3, 1),
            message(DONE, &[0; 4]),
        ]
        .concat();
        let (told, is_over) = read(&packet).unwrap();
        let expected = [
            Told::DefaultRoute { interfaces: vec![2] },
            Told::DefaultRoute { interfaces: vec![3, 4] },
            Told::Interface { index: 2, has_carrier: true },
            Told::Interface { index: 3, has_carrier: false },
        ];
        assert!(is_over);
        assert_eq!(told, expected);
    }

    #[test]
    fn a_refusal_is_an_error_and_a_cut_packet_is_not_the_end() {
        let refused = read(&message(ERROR, &(-1_i32).to_ne_bytes())).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
        let whole = route(0, UNICAST, &[(4, &2_u32.to_ne_bytes())]);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]).unwrap(), (Vec::new(), false), "{length} bytes");
        }
    }
}
