import { launch } from '../cli/launch.js'

launch(import('../volumes/aff4-recover.js'))
