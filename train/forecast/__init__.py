"""What a run would take, before it is started: `gdp train --dry-run`, memory term by term."""
