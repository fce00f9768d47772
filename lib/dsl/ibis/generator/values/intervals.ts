/** Spans of time. In the notation of `template.ts`. */
import { parseTemplates } from "./template.js";

export const INTERVALS = parseTemplates(String.raw`
IntegerValue.as_interval DateValue.radd ibis.date | count | {x}.clip(0, 60).as_interval("D") + ibis.date(2024, 1, 1) | date | day | the day that is {x} days, at most 60, after 1 January 2024
IntegerValue.as_interval TimestampValue.radd ibis.timestamp | count | {x}.clip(0, 60).as_interval("h") + ibis.timestamp("2024-01-01 00:00:00") | timestamp | moment | the moment that is {x} hours, at most 60, after the start of 2024
IntegerValue.as_interval TimeValue.radd ibis.time | count | {x}.clip(0, 60).as_interval("m") + ibis.time(8, 0, 0) | time | clock | the time {x} minutes, at most 60, after 8:00
IntegerValue.as_interval IntervalValue.add ibis.interval | count | {x}.clip(0, 60).as_interval("D") + ibis.interval(days=1) + ibis.date(2024, 1, 1) | date | day_after | the day after that which is {x} days, at most 60, after 1 January 2024
IntegerValue.as_interval IntervalValue.sub ibis.interval | count | {x}.clip(0, 60).as_interval("D") - ibis.interval(days=1) + ibis.date(2024, 1, 1) | date | day_before | the day before that which is {x} days, at most 60, after 1 January 2024
IntegerValue.as_interval IntervalValue.mul ibis.date | count | {x}.clip(0, 60).as_interval("D") * 2 + ibis.date(2024, 1, 1) | date | twice_on | the day that is twice {x} days, at most 60 each, after 1 January 2024
IntegerValue.as_interval IntervalValue.rmul ibis.date | count | 7 * {x}.clip(0, 60).as_interval("D") + ibis.date(2024, 1, 1) | date | weeks_on | the day that is {x} weeks, at most 60, after 1 January 2024
IntegerValue.as_interval IntervalValue.negate ibis.date | count | {x}.clip(0, 60).as_interval("D").negate() + ibis.date(2024, 1, 1) | date | day_back | the day that is {x} days, at most 60, before 1 January 2024
IntervalValue.as_unit ibis.interval | ts | {x} + ibis.interval(hours=2).as_unit("m") | timestamp | later | {x} two hours later, counted in minutes
IntervalValue.years ibis.interval | date | {x} + ibis.interval(months=24).years | date | anniversary | {x} and 24 months on, as years
IntervalValue.quarters ibis.interval | date | {x} + ibis.interval(months=6).quarters | date | half_year_on | {x} and six months on, as quarters
IntervalValue.months ibis.interval | date | {x} + ibis.interval(years=1).months | date | year_on | {x} and a year on, as months
IntervalValue.weeks ibis.interval | date | {x} - ibis.interval(days=14).weeks | date | fortnight_before | {x} and 14 days back, as weeks
IntervalValue.days ibis.interval | date | {x} + ibis.interval(weeks=2).days | date | fortnight_on | {x} and two weeks on, as days
IntervalValue.hours ibis.interval | ts | {x} + ibis.interval(minutes=120).hours | timestamp | later | {x} and 120 minutes on, as hours
IntervalValue.minutes ibis.interval | ts | {x} - ibis.interval(hours=1).minutes | timestamp | earlier | {x} and an hour back, as minutes
IntervalValue.seconds ibis.interval | ts | {x} + ibis.interval(minutes=3).seconds | timestamp | later | {x} and three minutes on, as seconds
IntervalValue.milliseconds ibis.interval | ts | {x} + ibis.interval(microseconds=5000).milliseconds | timestamp | shifted | {x} and 5000 microseconds on, as milliseconds
IntervalValue.microseconds ibis.interval | ts | {x} + ibis.interval(milliseconds=5).microseconds | timestamp | shifted | {x} and five milliseconds on, as microseconds
`);
