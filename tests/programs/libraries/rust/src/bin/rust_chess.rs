//! An alpha-beta search of chess positions, with `shakmaty`'s rules and moves.

use libraries::{mix, run};
use shakmaty::{CastlingMode, Chess, Position, Role, fen::Fen};

const START: &str = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1";

fn value(role: Role) -> i32 {
    match role {
        Role::Pawn => 100,
        Role::Knight => 320,
        Role::Bishop => 330,
        Role::Rook => 500,
        Role::Queen => 900,
        Role::King => 0,
    }
}

/// Material, and a little for squares near the centre, for the side that moves.
fn evaluate(position: &Chess) -> i32 {
    let board = position.board();
    let mut total = 0;
    for (square, piece) in board.clone() {
        let (file, rank) = (square.file() as i32, square.rank() as i32);
        let centre = 14 - (2 * file - 7).abs() - (2 * rank - 7).abs();
        let worth = value(piece.role) + centre;
        total += if piece.color == position.turn() {
            worth
        } else {
            -worth
        };
    }
    total
}

fn search(position: &Chess, depth: u32, mut alpha: i32, beta: i32, nodes: &mut u64) -> i32 {
    *nodes += 1;
    let mut moves = position.legal_moves();
    if moves.is_empty() {
        return if position.is_check() { -30_000 } else { 0 };
    }
    if depth == 0 {
        return evaluate(position);
    }
    moves.sort_by_key(|m| -(m.capture().map_or(0, value)));
    for m in &moves {
        let mut next = position.clone();
        next.play_unchecked(m);
        let score = -search(&next, depth - 1, -beta, -alpha, nodes);
        alpha = alpha.max(score);
        if alpha >= beta {
            break;
        }
    }
    alpha
}

fn main() {
    run("rust_chess", 1, |scale| {
        let fen: Fen = START.parse().expect("a position");
        let start: Chess = fen
            .into_position(CastlingMode::Standard)
            .expect("a legal one");
        let mut position = start.clone();
        let (mut sum, mut nodes) = (0, 0);
        for round in 0..scale {
            if round % 12 == 0 {
                position = start.clone();
            }
            let score = search(&position, 2, -40_000, 40_000, &mut nodes);
            let moves = position.legal_moves();
            sum = mix(sum, nodes ^ score as u64);
            if !moves.is_empty() {
                let next = &moves[(sum % moves.len() as u64) as usize];
                position.play_unchecked(next);
            }
        }
        sum
    });
}
