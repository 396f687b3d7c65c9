//! What processes tell each other on a channel: the keys that one of them has changed.
//!
//! A byte for the form, and then each key with its length before it, four bytes of it, the lowest first. A message of
//! another form, as of a later version, is about any key.

const FORM: u8 = 1;

/// A message about these keys.
pub(super) fn write<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut message = vec![FORM];
    for key in keys {
        // The server takes no keys of 4 GB.
        let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(key);
    }
    message
}

/// A message about all keys.
pub(super) fn all() -> Vec<u8> {
    Vec::new()
}

/// The keys that a message is about; None: any key.
pub(super) fn read(message: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = message.strip_prefix(&[FORM])?;
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (key, after) = after.split_at_checked(length)?;
        keys.push(key.to_vec());
        rest = after;
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        for keys in [
            vec![],
            vec![b"".to_vec()],
            vec![b"a\x00b".to_vec(), vec![255; 70_000]],
        ] {
            assert_eq!(
                Some(keys.clone()),
                read(&write(keys.iter().map(Vec::as_slice)))
            );
        }
    }

    #[test]
    fn what_is_in_another_form_is_about_any_key() {
        let whole = write([&b"key"[..]]);
        for message in [&all()[..], b"\x02", &whole[..whole.len() - 1], &whole[..3]] {
            assert_eq!(None, read(message), "{message:?}");
        }
    }
}
