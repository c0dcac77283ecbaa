//! A picture without a drawing program: columns by what must be done first, boxes below one another, curves between them.

use std::fmt::Write as _;

/// Width of a letter of the font, in pixels: monospace at 12 px.
const LETTER: usize = 8;
const HEIGHT: usize = 28;
const GAP: usize = 14;
const BETWEEN: usize = 70;
const MARGIN: usize = 16;

/// A box.
struct Spot {
    x: usize,
    y: usize,
    width: usize,
}

/// Draws boxes with these names, round ones where `round` says so, and an arrow for each pair (from, to). No circles.
pub fn draw(names: &[String], round: &[bool], arrows: &[(usize, usize)]) -> String {
    let (spots, width, height) = place(names, &columns(names.len(), arrows));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#666\"/></marker></defs>\n"
    );
    for (from, to) in arrows.iter().filter_map(|(from, to)| Some((spots.get(*from)?, spots.get(*to)?))) {
        let (x1, y1, x2, y2) = (from.x + from.width, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2);
        let bend = BETWEEN / 2;
        let _ = writeln!(
            text,
            "<path d=\"M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}\" fill=\"none\" stroke=\"#666\" marker-end=\"url(#tip)\"/>",
            x1 + bend,
            x2.saturating_sub(bend)
        );
    }
    for ((spot, name), round) in spots.iter().zip(names).zip(round) {
        let Spot { x, y, width } = spot;
        let corner = if *round { HEIGHT / 2 } else { 3 };
        let fill = if *round { "#eaf6ea" } else { "#e8f0fb" };
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" rx=\"{corner}\" fill=\"{fill}\" stroke=\"#444\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x + width / 2,
            y + HEIGHT / 2 + 4,
            escape(name)
        );
    }
    text + "</svg>\n"
}

/// The column of each box: one more than the last of those it needs.
fn columns(count: usize, arrows: &[(usize, usize)]) -> Vec<usize> {
    let mut columns = vec![0; count];
    // A path has fewer steps than there are boxes.
    for _ in 0..count {
        for (from, to) in arrows {
            let after = columns.get(*from).map_or(0, |column| column + 1);
            if let Some(column) = columns.get_mut(*to) {
                *column = after.max(*column).min(count);
            }
        }
    }
    columns
}

/// Where each box stands, and the size of the whole.
fn place(names: &[String], columns: &[usize]) -> (Vec<Spot>, usize, usize) {
    let width = |name: &String| (name.chars().count() + 3) * LETTER;
    let last = columns.iter().copied().max().unwrap_or(0);
    let widest =
        |column: usize| names.iter().zip(columns).filter(|(_, own)| **own == column).map(|(name, _)| width(name)).max().unwrap_or(0);
    let mut left = vec![MARGIN];
    for column in 0..=last {
        left.push(left.last().copied().unwrap_or(MARGIN) + widest(column) + BETWEEN);
    }
    let mut filled = vec![0; last + 1];
    let mut spots = Vec::new();
    for (name, column) in names.iter().zip(columns) {
        let row = filled.get_mut(*column).map_or(0, |row| std::mem::replace(row, *row + 1));
        let x = left.get(*column).copied().unwrap_or(MARGIN);
        spots.push(Spot { x, y: MARGIN + row * (HEIGHT + GAP), width: width(name) });
    }
    let tallest = filled.into_iter().max().unwrap_or(0);
    let right = left.last().copied().unwrap_or(MARGIN).saturating_sub(BETWEEN) + MARGIN;
    (spots, right, 2 * MARGIN + tallest * (HEIGHT + GAP))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_stands_further_left() {
        assert_eq!(columns(4, &[(0, 1), (1, 2), (0, 2)]), [0, 1, 2, 0]);
        assert_eq!(columns(3, &[(2, 1), (1, 0)]), [2, 1, 0]);
    }

    #[test]
    fn boxes_do_not_overlap_and_lie_within_the_picture() {
        let names: Vec<String> = ["Bucket/a", "Role/a-long-name", "Service/b", "LogGroup/c"].map(str::to_owned).to_vec();
        let (spots, width, height) = place(&names, &[0, 0, 1, 2]);
        for (index, a) in spots.iter().enumerate() {
            assert!(a.x + a.width <= width && a.y + HEIGHT <= height);
            let beside = |b: &Spot| a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + HEIGHT <= b.y || b.y + HEIGHT <= a.y;
            assert!(spots.iter().skip(index + 1).all(beside), "{}", names[index]);
        }
    }

    #[test]
    fn names_cannot_break_the_picture() {
        let text = draw(&["a<&>".to_owned(), "b".to_owned()], &[false, true], &[(0, 1)]);
        assert!(text.contains("a&lt;&amp;&gt;") && text.matches("<path d=\"M").count() == 2 && text.ends_with("</svg>\n"), "{text}");
    }
}
