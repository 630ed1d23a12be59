//! NTLMv2 responses (MS-NLMP 2.2.2.7, 2.2.2.8, 3.3.2).

use zeroize::Zeroizing;

use super::av_pair::AvPairs;
use super::file_time::FileTime;
use super::keys::{ResponseKey, SessionBaseKey};
use crate::AuthError;

/// An NTLMv2 response: a proof and the data that it covers.
#[derive(Clone, Copy)]
pub(super) struct NtResponse<'a> {
    pub(super) proof: &'a [u8; 16],
    /// `NTLMv2_CLIENT_CHALLENGE`, as sent.
    pub(super) blob: &'a [u8],
}

/// Content of a response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientChallenge {
    pub(super) time: FileTime,
    pub(super) challenge: [u8; 8],
    pub(super) pairs: AvPairs,
}

impl<'a> NtResponse<'a> {
    /// Splits a response; NTLMv1 and LM responses are rejected.
    pub(super) fn decode(octets: &'a [u8]) -> Result<Self, AuthError> {
        if octets.len() <= NTLMV1_LENGTH {
            return Err(AuthError::Downgraded("NTLMv2"));
        }
        let (proof, blob) = octets.split_first_chunk().ok_or(AuthError::Downgraded("NTLMv2"))?;
        Ok(Self { proof, blob })
    }
}

impl ClientChallenge {
    pub(super) fn decode(blob: &[u8]) -> Result<Self, AuthError> {
        let (time, challenge, pairs) =
            Self::split(blob).ok_or(AuthError::Malformed("truncated NTLMv2 response"))?;
        Ok(Self { time, challenge, pairs: AvPairs::decode(pairs)? })
    }

    fn split(blob: &[u8]) -> Option<(FileTime, [u8; 8], &[u8])> {
        let rest = blob.strip_prefix(&TYPE_AND_HIGHEST_TYPE)?;
        let (_reserved, rest) = rest.split_first_chunk::<6>()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (challenge, rest) = rest.split_first_chunk()?;
        let (_reserved, pairs) = rest.split_first_chunk::<4>()?;
        Some((FileTime::from_octets(*time), *challenge, pairs))
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, AuthError> {
        let pairs = self.pairs.encode()?;
        let (time, reserved) = (self.time.to_octets(), [0; 6]);
        Ok([TYPE_AND_HIGHEST_TYPE.as_slice(), &reserved, &time, &self.challenge, &[0; 4], &pairs, &[0; 4]]
            .concat())
    }

    /// Computes the response to a service's challenge, and the session base key.
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

/// An NTLMv1 response has 24 bytes.
const NTLMV1_LENGTH: usize = 24;

/// `RespType` and `HiRespType`.
const TYPE_AND_HIGHEST_TYPE: [u8; 2] = [1, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_challenges_round_trip() {
        let pairs =
            AvPairs::default().with_time(FileTime::from_octets([3; 8])).with_mic().expect("no flags yet");
        let first = ClientChallenge { time: FileTime::from_octets([7; 8]), challenge: [9; 8], pairs };
        let blob = first.encode().expect("short");
        assert_eq!(ClientChallenge::decode(&blob), Ok(first));
        // The four zeros after the attributes are optional.
        for end in 0..blob.len() - 4 {
            assert!(ClientChallenge::decode(blob.get(..end).expect("inside")).is_err(), "{end}");
        }
    }

    #[test]
    fn ntlmv1_responses_are_rejected() {
        for length in [0, 1, 16, 24] {
            let refused = NtResponse::decode(&vec![1; length]).err();
            assert_eq!(refused, Some(AuthError::Downgraded("NTLMv2")), "{length}");
        }
        assert!(NtResponse::decode(&[1; 25]).is_ok());
    }
}
