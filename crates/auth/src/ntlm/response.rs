//! What a client proves its password with (MS-NLMP 2.2.2.7, 2.2.2.8, 3.3.2).

use zeroize::Zeroizing;

use super::av_pair::AvPairs;
use super::file_time::FileTime;
use super::keys::{ResponseKey, SessionBaseKey};
use crate::AuthError;

/// An NTLMv2 response: a proof, and the octets that it proves.
#[derive(Clone, Copy)]
pub(super) struct NtResponse<'a> {
    pub(super) proof: &'a [u8; 16],
    /// `NTLMv2_CLIENT_CHALLENGE`, as it was sent.
    pub(super) blob: &'a [u8],
}

/// What the client says in its response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientChallenge {
    pub(super) time: FileTime,
    pub(super) challenge: [u8; 8],
    pub(super) pairs: AvPairs,
}

impl<'a> NtResponse<'a> {
    /// Takes a response apart; one of NTLMv1, or of LM alone, is refused.
    pub(super) fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        if octets.len() <= NTLMV1_OCTETS {
            return Err(AuthError::Downgraded("NTLMv2"));
        }
        let (proof, blob) = octets.split_first_chunk().ok_or(AuthError::Downgraded("NTLMv2"))?;
        Ok(Self { proof, blob })
    }
}

impl ClientChallenge {
    pub(super) fn decode(blob: &[u8]) -> Result<Self, AuthError> {
        let split = || {
            let rest = blob.strip_prefix(&TYPE_AND_HIGHEST_TYPE)?;
            let (_reserved, rest) = rest.split_first_chunk::<6>()?;
            let (time, rest) = rest.split_first_chunk()?;
            let (challenge, rest) = rest.split_first_chunk()?;
            let (_reserved, pairs) = rest.split_first_chunk::<4>()?;
            Some((FileTime::from_octets(*time), *challenge, pairs))
        };
        let (time, challenge, pairs) =
            split().ok_or(AuthError::Malformed("the NTLMv2 response is cut short"))?;
        Ok(Self { time, challenge, pairs: AvPairs::decode(pairs)? })
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let pairs = self.pairs.encode()?;
        let (time, reserved) = (self.time.to_octets(), [0; 6]);
        Ok([TYPE_AND_HIGHEST_TYPE.as_slice(), &reserved, &time, &self.challenge, &[0; 4], &pairs, &[0; 4]]
            .concat())
    }

    /// The whole response to a service's challenge, and the key that both ends then have.
    pub(super) fn respond(
        &self,
        key: &ResponseKey,
        challenge: &[u8; 8],
    ) -> Result<(Vec<u8>, SessionBaseKey), AuthError> {
        let blob = self.encode()?;
        let proof: Zeroizing<[u8; 16]> = key.proof(challenge, &blob);
        Ok(([proof.as_slice(), &blob].concat(), key.base_key(&proof)))
    }
}

/// A response of NTLMv1 is a number of 24 octets.
const NTLMV1_OCTETS: usize = 24;

/// `RespType` and `HiRespType`; there never was a third version.
const TYPE_AND_HIGHEST_TYPE: [u8; 2] = [1, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_challenge_comes_back_as_it_was() {
        let pairs =
            AvPairs::default().with_time(FileTime::from_octets([3; 8])).with_mic().expect("no flags yet");
        let first = ClientChallenge { time: FileTime::from_octets([7; 8]), challenge: [9; 8], pairs };
        let blob = first.encode().expect("short");
        assert_eq!(ClientChallenge::decode(&blob), Ok(first));
        // The four zeros after the attributes do not count.
        for end in 0..blob.len() - 4 {
            assert!(ClientChallenge::decode(blob.get(..end).expect("inside")).is_err(), "{end}");
        }
    }

    #[test]
    fn responses_of_the_first_version_are_refused() {
        for length in [0, 1, 16, 24] {
            let refused = NtResponse::decode(&vec![1; length]).err();
            assert_eq!(refused, Some(AuthError::Downgraded("NTLMv2")), "{length}");
        }
        assert!(NtResponse::decode(&[1; 25]).is_ok());
    }
}
