//! Whose code an answer holds.

use std::collections::HashMap;

use super::talk::Case;

/// So many letters in a row are nobody else's by chance: there are thirty million such rows.
const TELLING: usize = 5;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The code that was asked for, or its beginning where the client did not wait for the end.
    Own,
    /// A part of a code that another request holds.
    Foreign { of_another_user: bool },
    /// Neither: the model was wrong, or two conversations ran into each other.
    Mistake,
}

/// All codes of a run.
pub(super) struct Judge<'a> {
    cases: &'a [Case],
    /// The cases whose codes have these letters in a row.
    holders: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(cases: &'a [Case]) -> Judge<'a> {
        let mut holders: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (number, case) in cases.iter().enumerate() {
            for row in case.code.as_bytes().windows(TELLING) {
                holders.entry(row).or_default().push(number);
            }
        }
        Judge { cases, holders }
    }

    /// Judges what was said to whoever asked for the code of this case.
    pub(super) fn judge(&self, case: usize, said: &str, is_whole: bool) -> Verdict {
        let own = &self.cases[case];
        if said == own.code || (!is_whole && own.code.starts_with(said)) {
            return Verdict::Own;
        }
        let rows = said.as_bytes().windows(TELLING);
        let foreign = rows.filter(|row| !own.code.as_bytes().windows(TELLING).any(|other| other == *row));
        let holders: Vec<usize> =
            foreign.filter_map(|row| self.holders.get(row)).flatten().copied().collect();
        if holders.is_empty() {
            return Verdict::Mistake;
        }
        let of_another_user = holders.iter().any(|holder| self.cases[*holder].user != own.user);
        Verdict::Foreign { of_another_user }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::Codes;
    use super::*;
    use crate::Dice;

    fn cases() -> Vec<Case> {
        let mut dice = Dice::new(1);
        let held = [(0, "ABCDEFGH"), (0, "JKLMNOPQ"), (1, "RSTUVWXY"), (1, "HGFEDCBA"), (1, "ABCDEFGX")];
        let case = |(user, code): (usize, &str)| {
            let mut case = Case::new(user, &mut Codes::default(), &mut dice);
            code.clone_into(&mut case.code);
            case
        };
        held.map(case).into()
    }

    #[test]
    fn the_own_code_is_own_and_its_beginning_only_where_nobody_waited_for_more() {
        let cases = cases();
        let judge = Judge::new(&cases);
        assert_eq!(judge.judge(0, "ABCDEFGH", true), Verdict::Own);
        assert_eq!(judge.judge(0, "ABC", false), Verdict::Own);
        assert_eq!(judge.judge(0, "", false), Verdict::Own);
        assert_eq!(judge.judge(0, "ABCDEFG", true), Verdict::Mistake);
        assert_eq!(judge.judge(0, "", true), Verdict::Mistake);
    }

    #[test]
    fn a_code_of_another_request_is_foreign_and_it_is_told_whose() {
        let cases = cases();
        let judge = Judge::new(&cases);
        let (others, same_users) =
            (Verdict::Foreign { of_another_user: true }, Verdict::Foreign { of_another_user: false });
        assert_eq!(judge.judge(0, "RSTUVWXY", true), others);
        assert_eq!(judge.judge(0, "HGFEDCBA", true), others, "the same letters are not the same code");
        assert_eq!(judge.judge(0, "JKLMNOPQ", true), same_users);
        assert_eq!(judge.judge(0, "ABCDEFGH STUVW", true), others, "a part of it is enough");
        assert_eq!(judge.judge(0, "RSTUV", false), others);
        assert_eq!(judge.judge(0, "ABCDEFGX", true), others, "the last letter is enough");
    }

    #[test]
    fn what_nobody_holds_is_a_mistake() {
        let cases = cases();
        let judge = Judge::new(&cases);
        for said in ["ABCD", "ABCDEFGHI", "ABRSCTDU", "RSTU", "........"] {
            assert_eq!(judge.judge(0, said, true), Verdict::Mistake, "{said}");
        }
        assert_eq!(judge.judge(0, "R", false), Verdict::Mistake);
    }
}
