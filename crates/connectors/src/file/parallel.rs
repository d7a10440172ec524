//! Parts of a file worked on by all cores, their results taken in the order of the parts.

use rayon::prelude::*;

/// Parts in memory at once, at most, whatever the number of cores.
const MOST_PARTS: usize = 16;

/// Applies `work` to everything that `next` yields, and hands the results to `take` in that order.
///
/// # Errors
/// Those of `next` and `take`; what came before an error of `next` is taken.
pub(super) fn in_order<T: Send, R: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<T>, E> + Send,
    work: impl Fn(T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let width = (2 * rayon::current_num_threads()).min(MOST_PARTS);
    let mut fill = || {
        let mut parts = Vec::with_capacity(width);
        let outcome = loop {
            match next() {
                Ok(Some(part)) => parts.push(part),
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            }
            if parts.len() == width {
                break Ok(false);
            }
        };
        (parts, outcome)
    };
    let (mut parts, mut outcome) = fill();
    loop {
        let is_last = !matches!(outcome, Ok(false));
        let work_on = |parts: Vec<T>| parts.into_par_iter().map(&work).collect::<Vec<_>>();
        let (results, following) = match is_last {
            true => (work_on(parts), None),
            false => {
                let (results, following) = rayon::join(|| work_on(parts), &mut fill);
                (results, Some(following))
            }
        };
        results.into_iter().try_for_each(&mut take)?;
        match following {
            None => return outcome.map(drop),
            Some(following) => (parts, outcome) = following,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(length: u32, fails_at: Option<u32>, refuses: Option<u32>) -> (Vec<u32>, Result<(), &'static str>) {
        let mut parts = 0..length;
        let mut taken = Vec::new();
        let next = || match parts.next() {
            part if part.is_some() && part == fails_at => Err("no more"),
            part => Ok(part),
        };
        let outcome = in_order(
            next,
            |part| part * 2,
            |result| {
                if Some(result) == refuses {
                    return Err("enough");
                }
                taken.push(result);
                Ok(())
            },
        );
        (taken, outcome)
    }

    #[test]
    fn results_come_in_the_order_of_the_parts() {
        for length in [0, 1, 3, 100] {
            assert_eq!(run(length, None, None), ((0..length).map(|part| part * 2).collect(), Ok(())));
        }
    }

    #[test]
    fn what_came_before_a_failure_is_taken() {
        assert_eq!(run(100, Some(50), None), ((0..50).map(|part| part * 2).collect(), Err("no more")));
        assert_eq!(run(100, None, Some(42)), ((0..21).map(|part| part * 2).collect(), Err("enough")));
    }
}
